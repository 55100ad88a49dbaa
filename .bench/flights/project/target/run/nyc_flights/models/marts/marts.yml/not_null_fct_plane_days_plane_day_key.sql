
    
    select
      count(*) as failures,
      count(*) != 0 as should_warn,
      count(*) != 0 as should_error
    from (
      
    
  
    
    



select plane_day_key
from "nyc_flights"."main"."fct_plane_days"
where plane_day_key is null



  
  
      
    ) dbt_internal_test