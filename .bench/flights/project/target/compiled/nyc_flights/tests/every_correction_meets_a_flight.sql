-- A correction may be landed before the day it corrects, so this only warns.


select corrections.*
from "nyc_flights"."raw"."flight_corrections" as corrections
anti join "nyc_flights"."raw"."flights" as flights
    using (year, month, day, carrier, flight, origin, sched_dep_time)