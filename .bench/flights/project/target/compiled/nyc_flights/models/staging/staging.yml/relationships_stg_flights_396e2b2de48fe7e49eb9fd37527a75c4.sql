
    
    

with child as (
    select carrier_code as from_field
    from "nyc_flights"."main"."stg_flights"
    where carrier_code is not null
),

parent as (
    select carrier_code as to_field
    from "nyc_flights"."main"."stg_airlines"
)

select
    from_field

from child
left join parent
    on child.from_field = parent.to_field

where parent.to_field is null


