select
    order_id,
    customer_id,
    cast(ordered_on as date) as ordered_on,
    status,
    cast(amount_cents / 100 as decimal(18, 2)) as amount
from {{ ref('raw_orders') }}
