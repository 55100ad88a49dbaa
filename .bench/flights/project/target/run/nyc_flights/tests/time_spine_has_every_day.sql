
    
    select
      count(*) as failures,
      count(*) != 0 as should_warn,
      count(*) != 0 as should_error
    from (
      
    
  select min(date_day) as first_day, max(date_day) as last_day, count(*) as days
from "nyc_flights"."main"."time_spine_day"
having count(*) <> date_diff('day', min(date_day), max(date_day)) + 1
  
  
      
    ) dbt_internal_test