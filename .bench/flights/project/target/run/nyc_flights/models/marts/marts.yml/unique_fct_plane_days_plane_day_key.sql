
    
    select
      count(*) as failures,
      count(*) != 0 as should_warn,
      count(*) != 0 as should_error
    from (
      
    
  
    
    

select
    plane_day_key as unique_field,
    count(*) as n_records

from "nyc_flights"."main"."fct_plane_days"
where plane_day_key is not null
group by plane_day_key
having count(*) > 1



  
  
      
    ) dbt_internal_test