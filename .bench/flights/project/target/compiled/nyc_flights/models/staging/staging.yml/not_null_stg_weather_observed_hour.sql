
    
    



select observed_hour
from "nyc_flights"."main"."stg_weather"
where observed_hour is null


