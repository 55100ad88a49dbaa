
  
  create view "nyc_flights"."main"."stg_planes__dbt_tmp" as (
    select
    tailnum as tail_number,
    cast(year as integer) as built_year,
    manufacturer,
    model,
    engine as engine_type,
    cast(engines as integer) as engines,
    cast(seats as integer) as seats
from "nyc_flights"."raw"."planes"
  );
