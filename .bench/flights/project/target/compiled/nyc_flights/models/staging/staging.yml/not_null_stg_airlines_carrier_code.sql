
    
    



select carrier_code
from "nyc_flights"."main"."stg_airlines"
where carrier_code is null


