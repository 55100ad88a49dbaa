select hour from generate_series(timestamp '2023-12-29', timestamp '2024-01-05', interval 1 hour) as hours(hour)
