
    

    create  table
      "big_shop"."main"."days__dbt_tmp"
  
    
    as (
      select cast(unnest(generate_series(date '2022-12-01', date '2025-12-31', interval 1 day)) as date) as day
    );
    
  