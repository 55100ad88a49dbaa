
    
    

with child as (
    select destination as from_field
    from (select * from "nyc_flights"."main"."fct_flights" where has_destination_airport) dbt_subquery
    where destination is not null
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


