
  
  create view "nyc_flights"."main"."stg_airports__dbt_tmp" as (
    select
    faa as airport_code,
    name as airport_name,
    tzone as time_zone,
    cast(alt as integer) as altitude_feet
from "nyc_flights"."raw"."airports"
  );
