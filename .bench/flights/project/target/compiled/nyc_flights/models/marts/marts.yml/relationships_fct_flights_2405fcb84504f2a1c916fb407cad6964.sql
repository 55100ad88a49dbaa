
    
    

with child as (
    select tail_number as from_field
    from (select * from "nyc_flights"."main"."fct_flights" where has_plane) dbt_subquery
    where tail_number is not null
),

parent as (
    select tail_number as to_field
    from "nyc_flights"."main"."dim_planes"
)

select
    from_field

from child
left join parent
    on child.from_field = parent.to_field

where parent.to_field is null


