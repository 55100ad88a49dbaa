
    
    



select observed_hour
from "nyc_flights"."main"."fct_weather_hours"
where observed_hour is null


