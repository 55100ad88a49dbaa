-- Both sides of the join are read from the source, so that a key that is built wrongly is found.


with observed as (
    select flights.flight_key
    from "nyc_flights"."main"."stg_flights" as flights
    where exists (
        select 1
        from "nyc_flights"."raw"."weather" as weather
        where weather.origin = flights.origin
        and weather.time_hour at time zone 'UTC' = flights.scheduled_hour
    )
)

select fct_flights.flight_key
from "nyc_flights"."main"."fct_flights" as fct_flights
left join observed using (flight_key)
where fct_flights.has_weather <> (observed.flight_key is not null)
or fct_flights.has_weather <> (fct_flights.weather_key is not null)