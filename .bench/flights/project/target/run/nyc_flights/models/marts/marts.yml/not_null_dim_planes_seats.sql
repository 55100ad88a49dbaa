
    
    select
      count(*) as failures,
      count(*) != 0 as should_warn,
      count(*) != 0 as should_error
    from (
      
    
  
    
    



select seats
from "nyc_flights"."main"."dim_planes"
where seats is null



  
  
      
    ) dbt_internal_test