
    
    



select airport_code
from "nyc_flights"."main"."stg_airports"
where airport_code is null


