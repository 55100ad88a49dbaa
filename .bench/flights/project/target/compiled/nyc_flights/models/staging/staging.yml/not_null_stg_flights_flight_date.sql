
    
    



select flight_date
from "nyc_flights"."main"."stg_flights"
where flight_date is null


