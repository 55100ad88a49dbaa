-- One row per asset, or per step that makes none, that a failed run did not make because of an error in it.
select
    null::varchar as failure_id,
    null::varchar as run_id,
    null::varchar as root_run_id,
    null::bigint as attempt,
    null::varchar as job,
    null::varchar as asset,
    null::varchar as step,
    null::varchar as error_class,
    null::varchar as message,
    null::varchar as agent,
    null::varchar as last_good_run,
    null::varchar as last_good_at,
    null::varchar as definition,
    null::varchar as upstream,
    null::timestamp as failed_at,
    null::double as hours_since_good
where false
