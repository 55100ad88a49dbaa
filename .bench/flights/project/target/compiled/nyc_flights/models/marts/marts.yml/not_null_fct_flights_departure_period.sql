
    
    



select departure_period
from "nyc_flights"."main"."fct_flights"
where departure_period is null


