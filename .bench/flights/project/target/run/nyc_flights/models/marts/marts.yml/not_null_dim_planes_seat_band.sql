
    
    select
      count(*) as failures,
      count(*) != 0 as should_warn,
      count(*) != 0 as should_error
    from (
      
    
  
    
    



select seat_band
from "nyc_flights"."main"."dim_planes"
where seat_band is null



  
  
      
    ) dbt_internal_test