with flights as (

    select * from "nyc_flights"."raw"."flights"

),

latest_corrections as (

    select * from "nyc_flights"."raw"."flight_corrections"
    qualify row_number() over (
        partition by year, month, day, carrier, flight, origin, sched_dep_time
        order by landed_order desc
    ) = 1

),

-- A correction replaces all four facts, so that it can also say that a fact is unknown.
corrected as (

    select
        flights.* exclude (dep_time, dep_delay, arr_time, arr_delay),
        latest_corrections.landed_order is not null as is_corrected,
        case when is_corrected then latest_corrections.dep_time else flights.dep_time end as dep_time,
        case when is_corrected then latest_corrections.dep_delay else flights.dep_delay end as dep_delay,
        case when is_corrected then latest_corrections.arr_time else flights.arr_time end as arr_time,
        case when is_corrected then latest_corrections.arr_delay else flights.arr_delay end as arr_delay
    from flights
    left join latest_corrections using (year, month, day, carrier, flight, origin, sched_dep_time)

)

select
    format(
        '{:04d}-{:02d}-{:02d} {} {} {} {:04d}',
        year, month, day, carrier, flight, origin, sched_dep_time
    ) as flight_key,
    make_date(year, month, day) as flight_date,
    time_hour at time zone 'UTC' as scheduled_hour,
    cast(hour as integer) as scheduled_local_hour,
    carrier as carrier_code,
    cast(flight as integer) as flight_number,
    tailnum as tail_number,
    origin,
    dest as destination,
    cast(distance as integer) as distance_miles,
    dep_time is null as is_cancelled,
    cast(dep_delay as integer) as departure_delay_minutes,
    cast(arr_delay as integer) as arrival_delay_minutes,
    is_corrected
from corrected