{{ config(meta={'dagster': {'ref': {'name': 'fct_flights'}}}) }}

select flights.flight_key
from {{ ref('fct_flights') }} as flights
inner join {{ ref('fct_weather_hours') }} as weather using (weather_key)
where flights.origin <> weather.origin
or flights.scheduled_hour <> weather.observed_hour
