select flight_key
from {{ ref('fct_flights') }}
where is_cancelled = is_departed
or is_departed <> (departure_delay_minutes is not null)
or is_departed <> (distance_flown_miles is not null)
or (is_cancelled and (is_completed or seats_flown is not null))
or (is_on_time and not is_completed)
