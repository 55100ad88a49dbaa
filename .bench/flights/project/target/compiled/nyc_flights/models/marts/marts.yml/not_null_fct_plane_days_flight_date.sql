
    
    



select flight_date
from "nyc_flights"."main"."fct_plane_days"
where flight_date is null


