
    
    



select origin
from "nyc_flights"."main"."stg_flights"
where origin is null


