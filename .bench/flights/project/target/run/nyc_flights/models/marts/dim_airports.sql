
    

    create  table
      "nyc_flights"."main"."dim_airports__dbt_tmp"
  
    
    as (
      select
    airport_code,
    airport_name,
    time_zone,
    altitude_feet
from "nyc_flights"."main"."stg_airports"
    );
    
  