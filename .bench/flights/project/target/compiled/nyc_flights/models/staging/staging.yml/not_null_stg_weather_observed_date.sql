
    
    



select observed_date
from "nyc_flights"."main"."stg_weather"
where observed_date is null


