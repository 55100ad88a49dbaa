
    
    select
      count(*) as failures,
      count(*) != 0 as should_warn,
      count(*) != 0 as should_error
    from (
      
    
  
    
    



select distance_miles
from "nyc_flights"."main"."stg_flights"
where distance_miles is null



  
  
      
    ) dbt_internal_test