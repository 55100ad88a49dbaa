

with last_correction as (
    select * from "nyc_flights"."raw"."flight_corrections" as correction
    where landed_order = (
        select max(landed_order)
        from "nyc_flights"."raw"."flight_corrections" as other
        where (other.year, other.month, other.day, other.carrier, other.flight, other.origin, other.sched_dep_time)
            = (correction.year, correction.month, correction.day, correction.carrier, correction.flight,
               correction.origin, correction.sched_dep_time)
    )
)

select landed.*
from "nyc_flights"."raw"."flights" as landed
left join last_correction using (year, month, day, carrier, flight, origin, sched_dep_time)
inner join "nyc_flights"."main"."fct_flights" as flights
    on flights.flight_date = make_date(landed.year, landed.month, landed.day)
    and flights.carrier_code = landed.carrier
    and flights.flight_number = landed.flight
    and flights.origin = landed.origin
    and flights.flight_key like '%' || format('{:04d}', landed.sched_dep_time)
where flights.is_corrected <> (last_correction.landed_order is not null)
or flights.arrival_delay_minutes is distinct from
    case when last_correction.landed_order is null then landed.arr_delay else last_correction.arr_delay end