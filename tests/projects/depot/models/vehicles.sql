select * from {{ ref('raw_vehicles') }}
