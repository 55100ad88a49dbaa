
    

    create  table
      "big_shop"."main"."order_items__dbt_tmp"
  
    
    as (
      select
    items.item_id,
    items.order_id,
    orders.ordered_on as sold_on,
    items.category,
    items.quantity,
    cast(items.quantity * items.price as decimal(12, 2)) as amount,
    cast(items.quantity * items.cost as decimal(12, 2)) as cost
from "big_shop"."till"."items" as items
join "big_shop"."till"."orders" as orders on items.order_id = orders.order_id
order by items.item_id
    );
    
  