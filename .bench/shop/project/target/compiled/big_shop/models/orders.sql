with amounts as (

    select order_id, cast(sum(amount) as decimal(12, 2)) as amount
    from "big_shop"."main"."order_items"
    group by order_id

)

select
    orders.order_id,
    orders.customer_id,
    orders.store_id,
    orders.ordered_on,
    orders.status,
    orders.channel,
    amounts.amount
from "big_shop"."till"."orders" as orders
join amounts on orders.order_id = amounts.order_id
order by orders.order_id