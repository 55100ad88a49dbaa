
    
    



select has_destination_airport
from "nyc_flights"."main"."fct_flights"
where has_destination_airport is null


