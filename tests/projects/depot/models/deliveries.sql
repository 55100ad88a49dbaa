select *, cast(delivered_at as date) as on_day from {{ ref('raw_deliveries') }}
