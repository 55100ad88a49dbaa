
    
    



select has_weather
from "nyc_flights"."main"."fct_flights"
where has_weather is null


