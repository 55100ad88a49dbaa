
    
    



select destination
from "nyc_flights"."main"."fct_flights"
where destination is null


