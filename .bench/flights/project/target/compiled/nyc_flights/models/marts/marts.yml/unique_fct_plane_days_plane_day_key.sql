
    
    

select
    plane_day_key as unique_field,
    count(*) as n_records

from "nyc_flights"."main"."fct_plane_days"
where plane_day_key is not null
group by plane_day_key
having count(*) > 1


