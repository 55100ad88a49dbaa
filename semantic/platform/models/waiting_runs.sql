-- One row per job and state of the runs that had not ended at `looked_at`; one of no runs where there were none in a state.
select
    null::varchar as waiting_id,
    null::varchar as job,
    null::varchar as state,
    null::timestamp as looked_at,
    null::bigint as runs,
    null::double as longest_seconds
where false
