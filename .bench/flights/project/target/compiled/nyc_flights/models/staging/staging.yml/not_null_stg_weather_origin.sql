
    
    



select origin
from "nyc_flights"."main"."stg_weather"
where origin is null


