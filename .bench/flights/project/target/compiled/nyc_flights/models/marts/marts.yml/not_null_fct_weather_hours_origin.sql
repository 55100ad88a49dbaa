
    
    



select origin
from "nyc_flights"."main"."fct_weather_hours"
where origin is null


