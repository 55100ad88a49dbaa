
    
    select
      count(*) as failures,
      count(*) != 0 as should_warn,
      count(*) != 0 as should_error
    from (
      
    
  
    
    



select has_weather
from "nyc_flights"."main"."fct_flights"
where has_weather is null



  
  
      
    ) dbt_internal_test