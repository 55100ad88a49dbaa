
    
    



select carrier_code
from "nyc_flights"."main"."stg_flights"
where carrier_code is null


