
    
    



select airport_name
from "nyc_flights"."main"."dim_airports"
where airport_name is null


