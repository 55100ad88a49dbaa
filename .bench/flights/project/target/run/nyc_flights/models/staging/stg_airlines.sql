
  
  create view "nyc_flights"."main"."stg_airlines__dbt_tmp" as (
    select
    carrier as carrier_code,
    name as airline_name
from "nyc_flights"."raw"."airlines"
  );
