
-- Fixture for flight_corrections
select 
    
    cast(2013 as BIGINT)
 as "year", 
    
    cast(2 as BIGINT)
 as "month", 
    
    cast(7 as BIGINT)
 as "day", 
    
    cast('DL' as character varying)
 as "carrier", 
    
    cast(1 as BIGINT)
 as "flight", 
    
    cast('JFK' as character varying)
 as "origin", 
    
    cast(700 as BIGINT)
 as "sched_dep_time", 
    
    cast(701 as BIGINT)
 as "dep_time", 
    
    cast(1 as BIGINT)
 as "dep_delay", 
    
    cast(905 as BIGINT)
 as "arr_time", 
    
    cast(10 as BIGINT)
 as "arr_delay", 
    
    cast(1 as BIGINT)
 as "landed_order"
union all
select 
    
    cast(2013 as BIGINT)
 as "year", 
    
    cast(2 as BIGINT)
 as "month", 
    
    cast(7 as BIGINT)
 as "day", 
    
    cast('DL' as character varying)
 as "carrier", 
    
    cast(1 as BIGINT)
 as "flight", 
    
    cast('JFK' as character varying)
 as "origin", 
    
    cast(700 as BIGINT)
 as "sched_dep_time", 
    
    cast(701 as BIGINT)
 as "dep_time", 
    
    cast(1 as BIGINT)
 as "dep_delay", 
    
    cast(null as BIGINT)
 as "arr_time", 
    
    cast(null as BIGINT)
 as "arr_delay", 
    
    cast(2 as BIGINT)
 as "landed_order"