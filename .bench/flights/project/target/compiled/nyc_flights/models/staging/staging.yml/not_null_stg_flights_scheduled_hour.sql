
    
    



select scheduled_hour
from "nyc_flights"."main"."stg_flights"
where scheduled_hour is null


