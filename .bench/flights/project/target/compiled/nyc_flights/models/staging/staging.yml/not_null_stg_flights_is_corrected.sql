
    
    



select is_corrected
from "nyc_flights"."main"."stg_flights"
where is_corrected is null


