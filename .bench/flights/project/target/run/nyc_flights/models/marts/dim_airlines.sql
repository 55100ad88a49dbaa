
    

    create  table
      "nyc_flights"."main"."dim_airlines__dbt_tmp"
  
    
    as (
      select
    carrier_code,
    airline_name
from "nyc_flights"."main"."stg_airlines"
    );
    
  