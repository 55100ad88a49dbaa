
    
    select
      count(*) as failures,
      count(*) != 0 as should_warn,
      count(*) != 0 as should_error
    from (
      
    
  

with landed as (
    select origin, make_date(year, month, day) as observed_date, count(*) as hours
    from "nyc_flights"."raw"."weather"
    group by all
),

kept as (
    select origin, observed_date, count(*) as hours
    from "nyc_flights"."main"."fct_weather_hours"
    group by all
)

select * from landed
full join kept using (origin, observed_date)
where landed.hours is distinct from kept.hours
  
  
      
    ) dbt_internal_test