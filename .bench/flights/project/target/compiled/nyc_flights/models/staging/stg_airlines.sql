select
    carrier as carrier_code,
    name as airline_name
from "nyc_flights"."raw"."airlines"