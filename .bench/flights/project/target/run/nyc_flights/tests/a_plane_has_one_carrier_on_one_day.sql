
    
    select
      count(*) as failures,
      count(*) != 0 as should_warn,
      count(*) != 0 as should_error
    from (
      
    
  select tail_number, flight_date
from "nyc_flights"."main"."fct_flights"
where tail_number is not null
group by tail_number, flight_date
having count(distinct carrier_code) > 1
  
  
      
    ) dbt_internal_test