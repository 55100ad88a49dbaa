select
    carrier_code,
    airline_name
from "nyc_flights"."main"."stg_airlines"