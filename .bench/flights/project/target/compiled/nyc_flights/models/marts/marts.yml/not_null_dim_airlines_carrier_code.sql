
    
    



select carrier_code
from "nyc_flights"."main"."dim_airlines"
where carrier_code is null


