
    
    



select is_cancelled
from "nyc_flights"."main"."stg_flights"
where is_cancelled is null


