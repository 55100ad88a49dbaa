select null::date as date_day where false
