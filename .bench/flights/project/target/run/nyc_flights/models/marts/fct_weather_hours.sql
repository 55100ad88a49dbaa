
    

    create  table
      "nyc_flights"."main"."fct_weather_hours__dbt_tmp"
  
    
    as (
      select
    weather_key,
    origin,
    observed_date,
    observed_hour,
    case
        when visibility_miles < 1 then 'under 1 mile'
        when visibility_miles < 5 then '1 to 5 miles'
        when visibility_miles < 10 then '5 to 10 miles'
        when visibility_miles >= 10 then '10 miles and more'
    end as visibility_band,
    precipitation_inches > 0 as has_precipitation,
    visibility_miles < 1 as has_low_visibility,
    temperature_fahrenheit,
    precipitation_inches,
    visibility_miles,
    wind_speed_mph,
    wind_gust_mph
from "nyc_flights"."main"."stg_weather"
    );
    
  