
    
    select
      count(*) as failures,
      count(*) != 0 as should_warn,
      count(*) != 0 as should_error
    from (
      
    
  
    
    



select departure_period
from "nyc_flights"."main"."fct_flights"
where departure_period is null



  
  
      
    ) dbt_internal_test