select
    flight_date || ' ' || tail_number as plane_day_key,
    flight_date,
    tail_number,
    min(carrier_code) as carrier_code,
    cast(count(*) as integer) as scheduled_flights,
    cast(count(*) filter (where is_departed) as integer) as departed_flights,
    departed_flights = 0 as is_grounded,
    departed_flights > 0 as is_flown
from "nyc_flights"."main"."fct_flights"
where tail_number is not null
group by flight_date, tail_number