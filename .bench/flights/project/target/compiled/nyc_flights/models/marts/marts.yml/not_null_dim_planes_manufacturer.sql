
    
    



select manufacturer
from "nyc_flights"."main"."dim_planes"
where manufacturer is null


