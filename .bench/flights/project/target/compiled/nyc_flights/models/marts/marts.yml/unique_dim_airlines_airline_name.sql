
    
    

select
    airline_name as unique_field,
    count(*) as n_records

from "nyc_flights"."main"."dim_airlines"
where airline_name is not null
group by airline_name
having count(*) > 1


