
    

    create  table
      "big_shop"."main"."stores__dbt_tmp"
  
    
    as (
      select store_id, region, city from "big_shop"."till"."stores"
    );
    
  