-- One row per asset that the code location defines, as it stood at `looked_at`.
select
    null::varchar as asset,
    null::varchar as asset_group,
    null::varchar as freshness,
    null::timestamp as looked_at,
    null::double as age_hours,
    null::bigint as is_stale,
    null::bigint as failed_checks
where false
