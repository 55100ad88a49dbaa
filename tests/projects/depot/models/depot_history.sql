select * from {{ ref('raw_depot_history') }}
