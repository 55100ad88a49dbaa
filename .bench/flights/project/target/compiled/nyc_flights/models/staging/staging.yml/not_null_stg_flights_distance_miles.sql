
    
    



select distance_miles
from "nyc_flights"."main"."stg_flights"
where distance_miles is null


