
    
    select
      count(*) as failures,
      count(*) != 0 as should_warn,
      count(*) != 0 as should_error
    from (
      
    
  
    
    

select
    airline_name as unique_field,
    count(*) as n_records

from "nyc_flights"."main"."dim_airlines"
where airline_name is not null
group by airline_name
having count(*) > 1



  
  
      
    ) dbt_internal_test