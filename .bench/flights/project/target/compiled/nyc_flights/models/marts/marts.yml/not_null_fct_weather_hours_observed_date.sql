
    
    



select observed_date
from "nyc_flights"."main"."fct_weather_hours"
where observed_date is null


