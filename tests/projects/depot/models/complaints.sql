select * from {{ ref('raw_complaints') }}
