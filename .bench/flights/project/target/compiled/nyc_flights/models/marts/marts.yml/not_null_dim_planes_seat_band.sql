
    
    



select seat_band
from "nyc_flights"."main"."dim_planes"
where seat_band is null


