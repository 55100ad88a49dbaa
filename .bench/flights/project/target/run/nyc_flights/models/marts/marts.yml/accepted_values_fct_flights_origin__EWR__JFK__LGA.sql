
    
    select
      count(*) as failures,
      count(*) != 0 as should_warn,
      count(*) != 0 as should_error
    from (
      
    
  
    
    

with all_values as (

    select
        origin as value_field,
        count(*) as n_records

    from "nyc_flights"."main"."fct_flights"
    group by origin

)

select *
from all_values
where value_field not in (
    'EWR','JFK','LGA'
)



  
  
      
    ) dbt_internal_test