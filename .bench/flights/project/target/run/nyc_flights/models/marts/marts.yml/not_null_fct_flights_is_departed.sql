
    
    select
      count(*) as failures,
      count(*) != 0 as should_warn,
      count(*) != 0 as should_error
    from (
      
    
  
    
    



select is_departed
from "nyc_flights"."main"."fct_flights"
where is_departed is null



  
  
      
    ) dbt_internal_test