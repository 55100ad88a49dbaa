
    

    create  table
      "big_shop"."main"."visits__dbt_tmp"
  
    
    as (
      select visit_id, customer_id, visited_on from "big_shop"."till"."visits"
    );
    
  