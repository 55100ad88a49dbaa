
    
    



select is_flown
from "nyc_flights"."main"."fct_plane_days"
where is_flown is null


