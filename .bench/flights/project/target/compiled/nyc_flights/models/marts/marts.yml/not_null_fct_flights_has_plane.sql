
    
    



select has_plane
from "nyc_flights"."main"."fct_flights"
where has_plane is null


