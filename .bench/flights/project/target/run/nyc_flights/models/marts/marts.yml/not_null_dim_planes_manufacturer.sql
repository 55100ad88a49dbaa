
    
    select
      count(*) as failures,
      count(*) != 0 as should_warn,
      count(*) != 0 as should_error
    from (
      
    
  
    
    



select manufacturer
from "nyc_flights"."main"."dim_planes"
where manufacturer is null



  
  
      
    ) dbt_internal_test