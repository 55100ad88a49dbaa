
    
    



select flight_key
from "nyc_flights"."main"."fct_flights"
where flight_key is null


