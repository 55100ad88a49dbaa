
    
    



select weather_key
from "nyc_flights"."main"."stg_weather"
where weather_key is null


