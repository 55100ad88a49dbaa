
    
    



select flight_date
from "nyc_flights"."main"."fct_flights"
where flight_date is null


