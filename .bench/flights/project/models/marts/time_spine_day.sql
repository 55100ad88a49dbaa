select cast(unnest(generate_series(date '2012-12-01', date '2014-12-31', interval 1 day)) as date) as date_day
