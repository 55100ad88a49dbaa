
    
    select
      count(*) as failures,
      count(*) != 0 as should_warn,
      count(*) != 0 as should_error
    from (
      
    
  
    
    



select origin
from "nyc_flights"."main"."fct_weather_hours"
where origin is null



  
  
      
    ) dbt_internal_test