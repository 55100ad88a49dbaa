
    
    



select weather_key
from "nyc_flights"."main"."fct_weather_hours"
where weather_key is null


