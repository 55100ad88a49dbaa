
    

    create  table
      "big_shop"."main"."customers__dbt_tmp"
  
    
    as (
      select customer_id, country, segment, signed_up_on from "big_shop"."till"."customers"
    );
    
  