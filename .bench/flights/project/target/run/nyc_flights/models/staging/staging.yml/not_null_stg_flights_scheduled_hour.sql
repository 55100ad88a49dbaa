
    
    select
      count(*) as failures,
      count(*) != 0 as should_warn,
      count(*) != 0 as should_error
    from (
      
    
  
    
    



select scheduled_hour
from "nyc_flights"."main"."stg_flights"
where scheduled_hour is null



  
  
      
    ) dbt_internal_test