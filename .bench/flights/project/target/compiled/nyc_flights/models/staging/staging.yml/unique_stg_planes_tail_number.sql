
    
    

select
    tail_number as unique_field,
    count(*) as n_records

from "nyc_flights"."main"."stg_planes"
where tail_number is not null
group by tail_number
having count(*) > 1


