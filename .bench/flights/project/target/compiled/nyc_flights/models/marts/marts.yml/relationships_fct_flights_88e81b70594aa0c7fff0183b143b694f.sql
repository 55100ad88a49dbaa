
    
    

with child as (
    select flight_date as from_field
    from "nyc_flights"."main"."fct_flights"
    where flight_date is not null
),

parent as (
    select date_day as to_field
    from "nyc_flights"."main"."time_spine_day"
)

select
    from_field

from child
left join parent
    on child.from_field = parent.to_field

where parent.to_field is null


