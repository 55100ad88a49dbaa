
    
    select
      count(*) as failures,
      count(*) != 0 as should_warn,
      count(*) != 0 as should_error
    from (
      
    
  
    
    



select airline_name
from "nyc_flights"."main"."dim_airlines"
where airline_name is null



  
  
      
    ) dbt_internal_test