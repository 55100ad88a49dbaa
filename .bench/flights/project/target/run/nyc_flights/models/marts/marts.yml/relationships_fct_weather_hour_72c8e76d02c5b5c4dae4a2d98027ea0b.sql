
    
    select
      count(*) as failures,
      count(*) != 0 as should_warn,
      count(*) != 0 as should_error
    from (
      
    
  
    
    

with child as (
    select origin as from_field
    from "nyc_flights"."main"."fct_weather_hours"
    where origin is not null
),

parent as (
    select airport_code as to_field
    from "nyc_flights"."main"."dim_airports"
)

select
    from_field

from child
left join parent
    on child.from_field = parent.to_field

where parent.to_field is null



  
  
      
    ) dbt_internal_test