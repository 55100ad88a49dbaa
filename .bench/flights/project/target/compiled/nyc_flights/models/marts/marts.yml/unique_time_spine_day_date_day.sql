
    
    

select
    date_day as unique_field,
    count(*) as n_records

from "nyc_flights"."main"."time_spine_day"
where date_day is not null
group by date_day
having count(*) > 1


