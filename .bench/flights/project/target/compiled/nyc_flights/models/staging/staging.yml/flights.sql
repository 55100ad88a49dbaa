
-- Fixture for flights
select 
    
    cast(2013 as BIGINT)
 as "year", 
    
    cast(2 as BIGINT)
 as "month", 
    
    cast(7 as BIGINT)
 as "day", 
    
    cast(701 as BIGINT)
 as "dep_time", 
    
    cast(700 as BIGINT)
 as "sched_dep_time", 
    
    cast(1 as BIGINT)
 as "dep_delay", 
    
    cast(900 as BIGINT)
 as "arr_time", cast(null as BIGINT) as "sched_arr_time", 
    
    cast(5 as BIGINT)
 as "arr_delay", 
    
    cast('DL' as character varying)
 as "carrier", 
    
    cast(1 as BIGINT)
 as "flight", cast(null as character varying(256)) as "tailnum", 
    
    cast('JFK' as character varying)
 as "origin", cast(null as character varying(256)) as "dest", cast(null as BIGINT) as "air_time", cast(null as BIGINT) as "distance", cast(null as BIGINT) as "hour", cast(null as BIGINT) as "minute", cast(null as TIMESTAMP WITH TIME ZONE) as "time_hour"
union all
select 
    
    cast(2013 as BIGINT)
 as "year", 
    
    cast(2 as BIGINT)
 as "month", 
    
    cast(7 as BIGINT)
 as "day", 
    
    cast(702 as BIGINT)
 as "dep_time", 
    
    cast(700 as BIGINT)
 as "sched_dep_time", 
    
    cast(2 as BIGINT)
 as "dep_delay", 
    
    cast(900 as BIGINT)
 as "arr_time", cast(null as BIGINT) as "sched_arr_time", 
    
    cast(6 as BIGINT)
 as "arr_delay", 
    
    cast('DL' as character varying)
 as "carrier", 
    
    cast(2 as BIGINT)
 as "flight", cast(null as character varying(256)) as "tailnum", 
    
    cast('JFK' as character varying)
 as "origin", cast(null as character varying(256)) as "dest", cast(null as BIGINT) as "air_time", cast(null as BIGINT) as "distance", cast(null as BIGINT) as "hour", cast(null as BIGINT) as "minute", cast(null as TIMESTAMP WITH TIME ZONE) as "time_hour"