
    
    select
      count(*) as failures,
      count(*) != 0 as should_warn,
      count(*) != 0 as should_error
    from (
      
    
  
    
    



select is_corrected
from "nyc_flights"."main"."stg_flights"
where is_corrected is null



  
  
      
    ) dbt_internal_test