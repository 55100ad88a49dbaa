
    
    



select date_day
from "nyc_flights"."main"."time_spine_day"
where date_day is null


