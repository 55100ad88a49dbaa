
    
    



select is_grounded
from "nyc_flights"."main"."fct_plane_days"
where is_grounded is null


