
    
    select
      count(*) as failures,
      count(*) != 0 as should_warn,
      count(*) != 0 as should_error
    from (
      
    
  
    
    

with all_values as (

    select
        departure_period as value_field,
        count(*) as n_records

    from "nyc_flights"."main"."fct_flights"
    group by departure_period

)

select *
from all_values
where value_field not in (
    'night (before 6)','morning (6 to 12)','afternoon (12 to 18)','evening (from 18)'
)



  
  
      
    ) dbt_internal_test