
    
    select
      count(*) as failures,
      count(*) != 0 as should_warn,
      count(*) != 0 as should_error
    from (
      
    
  
    
    



select tail_number
from "nyc_flights"."main"."dim_planes"
where tail_number is null



  
  
      
    ) dbt_internal_test