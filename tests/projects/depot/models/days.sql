select cast(day as date) as day, 'FY' || year(day + interval 3 month) as fiscal_year
from generate_series(timestamp '2023-12-01', timestamp '2025-01-31', interval 1 day) as days(day)
