
    
    



select airport_code
from "nyc_flights"."main"."dim_airports"
where airport_code is null


