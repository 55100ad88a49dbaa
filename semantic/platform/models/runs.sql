-- One row per Dagster run that has ended. Written by `semantic.platform.tables`, not by dbt; so are the others.
select
    null::varchar as run_id,
    null::varchar as job,
    null::varchar as code_location,
    null::varchar as status,
    null::varchar as launched_by,
    null::varchar as agent,
    null::timestamp as ended_at,
    null::bigint as failed,
    null::double as run_seconds,
    null::double as queue_seconds,
    null::bigint as tokens,
    null::double as dollars
where false
