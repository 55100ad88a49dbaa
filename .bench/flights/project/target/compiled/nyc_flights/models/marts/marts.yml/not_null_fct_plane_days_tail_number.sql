
    
    



select tail_number
from "nyc_flights"."main"."fct_plane_days"
where tail_number is null


