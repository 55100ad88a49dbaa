
    
    



select destination
from "nyc_flights"."main"."stg_flights"
where destination is null


