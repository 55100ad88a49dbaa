select
    origin || ' ' || strftime(time_hour at time zone 'UTC', '%Y-%m-%d %H') as weather_key,
    origin,
    make_date(year, month, day) as observed_date,
    time_hour at time zone 'UTC' as observed_hour,
    cast(temp as decimal(5, 2)) as temperature_fahrenheit,
    cast(precip as decimal(5, 2)) as precipitation_inches,
    cast(visib as decimal(4, 2)) as visibility_miles,
    -- One row reads 1,048 miles per hour. No wind at ground level has passed 255.
    cast(case when wind_speed <= 255 then wind_speed end as decimal(8, 5)) as wind_speed_mph,
    cast(wind_gust as decimal(8, 5)) as wind_gust_mph
from {{ source('raw', 'weather') }}
