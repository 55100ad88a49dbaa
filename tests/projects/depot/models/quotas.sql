select * from {{ ref('raw_quotas') }}
