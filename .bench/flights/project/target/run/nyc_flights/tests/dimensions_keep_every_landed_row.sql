
    
    select
      count(*) as failures,
      count(*) != 0 as should_warn,
      count(*) != 0 as should_error
    from (
      
    
  select * from (
    select
        'planes' as dimension,
        (select count(*) from "nyc_flights"."raw"."planes") as landed,
        (select count(*) from "nyc_flights"."main"."dim_planes") as kept
    union all
    select
        'airports',
        (select count(*) from "nyc_flights"."raw"."airports"),
        (select count(*) from "nyc_flights"."main"."dim_airports")
    union all
    select
        'airlines',
        (select count(*) from "nyc_flights"."raw"."airlines"),
        (select count(*) from "nyc_flights"."main"."dim_airlines")
)
where landed <> kept
  
  
      
    ) dbt_internal_test