
    
    



select weather_key
from (select * from "nyc_flights"."main"."fct_flights" where has_weather) dbt_subquery
where weather_key is null


