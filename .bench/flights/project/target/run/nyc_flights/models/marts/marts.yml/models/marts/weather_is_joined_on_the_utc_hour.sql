
    -- Build actual result given inputs
with dbt_internal_unit_test_actual as (
  select
    "flight_key","weather_key","has_weather", 'actual' as "actual_or_expected"
  from (
    with  __dbt__cte__stg_flights as (

-- Fixture for stg_flights
select 
    
    cast('summer' as character varying)
 as "flight_key", 
    
    cast('2013-11-03' as DATE)
 as "flight_date", 
    
    cast('2013-11-03 05:00:00' as TIMESTAMP)
 as "scheduled_hour", 
    
    cast(1 as INTEGER)
 as "scheduled_local_hour", cast(null as character varying(256)) as "carrier_code", cast(null as INTEGER) as "flight_number", cast(null as character varying(256)) as "tail_number", 
    
    cast('JFK' as character varying)
 as "origin", cast(null as character varying(256)) as "destination", cast(null as INTEGER) as "distance_miles", 
    
    cast(False as BOOLEAN)
 as "is_cancelled", cast(null as INTEGER) as "departure_delay_minutes", cast(null as INTEGER) as "arrival_delay_minutes", cast(null as BOOLEAN) as "is_corrected"
union all
select 
    
    cast('winter' as character varying)
 as "flight_key", 
    
    cast('2013-11-03' as DATE)
 as "flight_date", 
    
    cast('2013-11-03 06:00:00' as TIMESTAMP)
 as "scheduled_hour", 
    
    cast(1 as INTEGER)
 as "scheduled_local_hour", cast(null as character varying(256)) as "carrier_code", cast(null as INTEGER) as "flight_number", cast(null as character varying(256)) as "tail_number", 
    
    cast('JFK' as character varying)
 as "origin", cast(null as character varying(256)) as "destination", cast(null as INTEGER) as "distance_miles", 
    
    cast(False as BOOLEAN)
 as "is_cancelled", cast(null as INTEGER) as "departure_delay_minutes", cast(null as INTEGER) as "arrival_delay_minutes", cast(null as BOOLEAN) as "is_corrected"
union all
select 
    
    cast('unseen' as character varying)
 as "flight_key", 
    
    cast('2013-11-03' as DATE)
 as "flight_date", 
    
    cast('2013-11-03 07:00:00' as TIMESTAMP)
 as "scheduled_hour", 
    
    cast(2 as INTEGER)
 as "scheduled_local_hour", cast(null as character varying(256)) as "carrier_code", cast(null as INTEGER) as "flight_number", cast(null as character varying(256)) as "tail_number", 
    
    cast('JFK' as character varying)
 as "origin", cast(null as character varying(256)) as "destination", cast(null as INTEGER) as "distance_miles", 
    
    cast(False as BOOLEAN)
 as "is_cancelled", cast(null as INTEGER) as "departure_delay_minutes", cast(null as INTEGER) as "arrival_delay_minutes", cast(null as BOOLEAN) as "is_corrected"
),  __dbt__cte__stg_weather as (

-- Fixture for stg_weather
select 
    
    cast('JFK first' as character varying)
 as "weather_key", 
    
    cast('JFK' as character varying)
 as "origin", cast(null as DATE) as "observed_date", 
    
    cast('2013-11-03 05:00:00' as TIMESTAMP)
 as "observed_hour", cast(null as DECIMAL(5,2)) as "temperature_fahrenheit", cast(null as DECIMAL(5,2)) as "precipitation_inches", cast(null as DECIMAL(4,2)) as "visibility_miles", cast(null as DECIMAL(8,5)) as "wind_speed_mph", cast(null as DECIMAL(8,5)) as "wind_gust_mph"
union all
select 
    
    cast('JFK second' as character varying)
 as "weather_key", 
    
    cast('JFK' as character varying)
 as "origin", cast(null as DATE) as "observed_date", 
    
    cast('2013-11-03 06:00:00' as TIMESTAMP)
 as "observed_hour", cast(null as DECIMAL(5,2)) as "temperature_fahrenheit", cast(null as DECIMAL(5,2)) as "precipitation_inches", cast(null as DECIMAL(4,2)) as "visibility_miles", cast(null as DECIMAL(8,5)) as "wind_speed_mph", cast(null as DECIMAL(8,5)) as "wind_gust_mph"
union all
select 
    
    cast('LGA second' as character varying)
 as "weather_key", 
    
    cast('LGA' as character varying)
 as "origin", cast(null as DATE) as "observed_date", 
    
    cast('2013-11-03 06:00:00' as TIMESTAMP)
 as "observed_hour", cast(null as DECIMAL(5,2)) as "temperature_fahrenheit", cast(null as DECIMAL(5,2)) as "precipitation_inches", cast(null as DECIMAL(4,2)) as "visibility_miles", cast(null as DECIMAL(8,5)) as "wind_speed_mph", cast(null as DECIMAL(8,5)) as "wind_gust_mph"
),  __dbt__cte__stg_planes as (

-- Fixture for stg_planes
select cast(null as character varying(256)) as "tail_number", cast(null as INTEGER) as "built_year", cast(null as character varying(256)) as "manufacturer", cast(null as character varying(256)) as "model", cast(null as character varying(256)) as "engine_type", cast(null as INTEGER) as "engines", cast(null as INTEGER) as "seats"
    limit 0
),  __dbt__cte__stg_airports as (

-- Fixture for stg_airports
select cast(null as character varying(256)) as "airport_code", cast(null as character varying(256)) as "airport_name", cast(null as character varying(256)) as "time_zone", cast(null as INTEGER) as "altitude_feet"
    limit 0
), flights as (

    select * from __dbt__cte__stg_flights

),

weather as (

    select weather_key, origin, observed_hour from __dbt__cte__stg_weather

),

planes as (

    select tail_number, seats from __dbt__cte__stg_planes

),

airports as (

    select airport_code from __dbt__cte__stg_airports

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
  ) _dbt_internal_unit_test_actual
),
-- Build expected result
dbt_internal_unit_test_expected as (
  select
    "flight_key", "weather_key", "has_weather", 'expected' as "actual_or_expected"
  from (
    select 
    
    cast('summer' as character varying)
 as "flight_key", 
    
    cast('JFK first' as character varying)
 as "weather_key", 
    
    cast(True as BOOLEAN)
 as "has_weather"
union all
select 
    
    cast('winter' as character varying)
 as "flight_key", 
    
    cast('JFK second' as character varying)
 as "weather_key", 
    
    cast(True as BOOLEAN)
 as "has_weather"
union all
select 
    
    cast('unseen' as character varying)
 as "flight_key", 
    
    cast(null as character varying(256))
 as "weather_key", 
    
    cast(False as BOOLEAN)
 as "has_weather"
  ) _dbt_internal_unit_test_expected
)
-- Union actual and expected results
select * from dbt_internal_unit_test_actual
union all
select * from dbt_internal_unit_test_expected