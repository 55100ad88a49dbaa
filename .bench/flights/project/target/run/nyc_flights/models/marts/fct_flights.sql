
    

    create  table
      "nyc_flights"."main"."fct_flights__dbt_tmp"
  
    
    as (
      with flights as (

    select * from "nyc_flights"."main"."stg_flights"

),

weather as (

    select weather_key, origin, observed_hour from "nyc_flights"."main"."stg_weather"

),

planes as (

    select tail_number, seats from "nyc_flights"."main"."stg_planes"

),

airports as (

    select airport_code from "nyc_flights"."main"."stg_airports"

)

select
    flights.flight_key,
    flights.flight_date,
    flights.scheduled_hour,
    case
        when flights.scheduled_local_hour < 6 then 'night (before 6)'
        when flights.scheduled_local_hour < 12 then 'morning (6 to 12)'
        when flights.scheduled_local_hour < 18 then 'afternoon (12 to 18)'
        else 'evening (from 18)'
    end as departure_period,
    flights.carrier_code,
    flights.flight_number,
    flights.tail_number,
    flights.origin,
    flights.destination,
    weather.weather_key,
    weather.weather_key is not null as has_weather,
    planes.tail_number is not null as has_plane,
    airports.airport_code is not null as has_destination_airport,
    flights.is_cancelled,
    not flights.is_cancelled as is_departed,
    flights.arrival_delay_minutes is not null as is_completed,
    coalesce(flights.arrival_delay_minutes <= 15, false) as is_on_time,
    flights.departure_delay_minutes,
    flights.arrival_delay_minutes,
    case when not flights.is_cancelled then flights.distance_miles end as distance_flown_miles,
    case when not flights.is_cancelled then planes.seats end as seats_flown,
    flights.is_corrected
from flights
left join weather
    on flights.origin = weather.origin
    and flights.scheduled_hour = weather.observed_hour
left join planes on flights.tail_number = planes.tail_number
left join airports on flights.destination = airports.airport_code
    );
    
  