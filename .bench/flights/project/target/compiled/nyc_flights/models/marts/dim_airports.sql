select
    airport_code,
    airport_name,
    time_zone,
    altitude_feet
from "nyc_flights"."main"."stg_airports"