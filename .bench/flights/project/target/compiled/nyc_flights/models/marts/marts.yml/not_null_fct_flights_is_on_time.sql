
    
    



select is_on_time
from "nyc_flights"."main"."fct_flights"
where is_on_time is null


