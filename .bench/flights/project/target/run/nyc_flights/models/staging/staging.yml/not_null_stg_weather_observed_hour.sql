
    
    select
      count(*) as failures,
      count(*) != 0 as should_warn,
      count(*) != 0 as should_error
    from (
      
    
  
    
    



select observed_hour
from "nyc_flights"."main"."stg_weather"
where observed_hour is null



  
  
      
    ) dbt_internal_test