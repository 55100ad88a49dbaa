

select flights.flight_key
from "nyc_flights"."main"."fct_flights" as flights
inner join "nyc_flights"."main"."fct_weather_hours" as weather using (weather_key)
where flights.origin <> weather.origin
or flights.scheduled_hour <> weather.observed_hour