
    
    



select airline_name
from "nyc_flights"."main"."dim_airlines"
where airline_name is null


