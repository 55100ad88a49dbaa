
-- Fixture for stg_planes
select cast(null as character varying(256)) as "tail_number", cast(null as INTEGER) as "built_year", cast(null as character varying(256)) as "manufacturer", cast(null as character varying(256)) as "model", cast(null as character varying(256)) as "engine_type", cast(null as INTEGER) as "engines", cast(null as INTEGER) as "seats"
    limit 0