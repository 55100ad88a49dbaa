
    
    



select is_completed
from "nyc_flights"."main"."fct_flights"
where is_completed is null


