
-- Fixture for stg_airports
select cast(null as character varying(256)) as "airport_code", cast(null as character varying(256)) as "airport_name", cast(null as character varying(256)) as "time_zone", cast(null as INTEGER) as "altitude_feet"
    limit 0