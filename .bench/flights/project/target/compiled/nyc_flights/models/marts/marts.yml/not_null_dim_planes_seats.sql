
    
    



select seats
from "nyc_flights"."main"."dim_planes"
where seats is null


