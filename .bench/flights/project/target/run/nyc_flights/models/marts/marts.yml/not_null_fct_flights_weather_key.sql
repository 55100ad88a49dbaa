
    
    select
      count(*) as failures,
      count(*) != 0 as should_warn,
      count(*) != 0 as should_error
    from (
      
    
  
    
    



select weather_key
from (select * from "nyc_flights"."main"."fct_flights" where has_weather) dbt_subquery
where weather_key is null



  
  
      
    ) dbt_internal_test