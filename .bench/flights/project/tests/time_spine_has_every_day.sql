select min(date_day) as first_day, max(date_day) as last_day, count(*) as days
from {{ ref('time_spine_day') }}
having count(*) <> date_diff('day', min(date_day), max(date_day)) + 1
