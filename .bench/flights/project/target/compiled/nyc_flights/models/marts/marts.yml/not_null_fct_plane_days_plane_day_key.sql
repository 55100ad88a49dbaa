
    
    



select plane_day_key
from "nyc_flights"."main"."fct_plane_days"
where plane_day_key is null


