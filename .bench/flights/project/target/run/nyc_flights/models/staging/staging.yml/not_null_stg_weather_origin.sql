
    
    select
      count(*) as failures,
      count(*) != 0 as should_warn,
      count(*) != 0 as should_error
    from (
      
    
  
    
    



select origin
from "nyc_flights"."main"."stg_weather"
where origin is null



  
  
      
    ) dbt_internal_test