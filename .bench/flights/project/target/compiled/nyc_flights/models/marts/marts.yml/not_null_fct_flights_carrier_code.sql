
    
    



select carrier_code
from "nyc_flights"."main"."fct_flights"
where carrier_code is null


