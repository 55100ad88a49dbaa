
    
    



select tail_number
from "nyc_flights"."main"."stg_planes"
where tail_number is null


