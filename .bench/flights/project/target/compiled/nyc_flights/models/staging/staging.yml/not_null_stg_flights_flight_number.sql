
    
    



select flight_number
from "nyc_flights"."main"."stg_flights"
where flight_number is null


