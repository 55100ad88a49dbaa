
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