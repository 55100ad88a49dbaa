
    
    



select tail_number
from "nyc_flights"."main"."dim_planes"
where tail_number is null


