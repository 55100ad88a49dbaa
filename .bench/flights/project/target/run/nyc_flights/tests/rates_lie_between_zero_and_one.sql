
    
    select
      count(*) as failures,
      count(*) != 0 as should_warn,
      count(*) != 0 as should_error
    from (
      
    
  with by_day as (
    select
        flight_date as day,
        count(*) filter (where is_cancelled) / count(*) as cancellation_rate,
        count(*) filter (where is_on_time) / nullif(count(*) filter (where is_completed), 0) as on_time_rate
    from "nyc_flights"."main"."fct_flights"
    group by flight_date
)

select * from by_day
where cancellation_rate not between 0 and 1
or on_time_rate not between 0 and 1
  
  
      
    ) dbt_internal_test