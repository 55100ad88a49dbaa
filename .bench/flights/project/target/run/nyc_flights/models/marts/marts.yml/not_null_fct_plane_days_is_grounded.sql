
    
    select
      count(*) as failures,
      count(*) != 0 as should_warn,
      count(*) != 0 as should_error
    from (
      
    
  
    
    



select is_grounded
from "nyc_flights"."main"."fct_plane_days"
where is_grounded is null



  
  
      
    ) dbt_internal_test