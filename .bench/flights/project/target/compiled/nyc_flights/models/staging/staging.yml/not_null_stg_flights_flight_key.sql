
    
    



select flight_key
from "nyc_flights"."main"."stg_flights"
where flight_key is null


