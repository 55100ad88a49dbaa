
    
    

with all_values as (

    select
        seat_band as value_field,
        count(*) as n_records

    from "nyc_flights"."main"."dim_planes"
    group by seat_band

)

select *
from all_values
where value_field not in (
    'under 100 seats','100 to 199 seats','200 seats and more'
)


