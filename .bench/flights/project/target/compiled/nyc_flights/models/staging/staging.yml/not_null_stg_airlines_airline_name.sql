
    
    



select airline_name
from "nyc_flights"."main"."stg_airlines"
where airline_name is null


