
    
    



select is_cancelled
from "nyc_flights"."main"."fct_flights"
where is_cancelled is null


