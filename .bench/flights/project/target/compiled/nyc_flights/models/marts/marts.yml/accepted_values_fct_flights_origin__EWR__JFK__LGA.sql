
    
    

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


