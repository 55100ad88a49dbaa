select
    tail_number,
    built_year,
    manufacturer,
    model,
    engine_type,
    engines,
    seats,
    case
        when seats < 100 then 'under 100 seats'
        when seats < 200 then '100 to 199 seats'
        when seats >= 200 then '200 seats and more'
    end as seat_band
from "nyc_flights"."main"."stg_planes"