-- A correction may be landed before the day it corrects, so this only warns.
{{ config(severity='warn') }}

select corrections.*
from {{ source('raw', 'flight_corrections') }} as corrections
anti join {{ source('raw', 'flights') }} as flights
    using (year, month, day, carrier, flight, origin, sched_dep_time)
