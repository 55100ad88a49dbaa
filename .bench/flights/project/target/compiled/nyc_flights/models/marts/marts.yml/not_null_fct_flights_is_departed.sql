
    
    



select is_departed
from "nyc_flights"."main"."fct_flights"
where is_departed is null


