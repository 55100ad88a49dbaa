
    
    select
      count(*) as failures,
      count(*) != 0 as should_warn,
      count(*) != 0 as should_error
    from (
      
    
  
    
    

with all_values as (

    select
        visibility_band as value_field,
        count(*) as n_records

    from "nyc_flights"."main"."fct_weather_hours"
    group by visibility_band

)

select *
from all_values
where value_field not in (
    'under 1 mile','1 to 5 miles','5 to 10 miles','10 miles and more'
)



  
  
      
    ) dbt_internal_test