
    
    



select scheduled_hour
from "nyc_flights"."main"."fct_flights"
where scheduled_hour is null


