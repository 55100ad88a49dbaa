
    
    



select origin
from "nyc_flights"."main"."fct_flights"
where origin is null


