
    -- Build actual result given inputs
with dbt_internal_unit_test_actual as (
  select
    "flight_key","is_cancelled","departure_delay_minutes","arrival_delay_minutes","is_corrected", 'actual' as "actual_or_expected"
  from (
    with  __dbt__cte__raw__flights as (

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
),  __dbt__cte__raw__flight_corrections as (

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
), flights as (

    select * from __dbt__cte__raw__flights

),

latest_corrections as (

    select * from __dbt__cte__raw__flight_corrections
    qualify row_number() over (
        partition by year, month, day, carrier, flight, origin, sched_dep_time
        order by landed_order desc
    ) = 1

),

-- A correction replaces all four facts, so that it can also say that a fact is unknown.
corrected as (

    select
        flights.* exclude (dep_time, dep_delay, arr_time, arr_delay),
        latest_corrections.landed_order is not null as is_corrected,
        case when is_corrected then latest_corrections.dep_time else flights.dep_time end as dep_time,
        case when is_corrected then latest_corrections.dep_delay else flights.dep_delay end as dep_delay,
        case when is_corrected then latest_corrections.arr_time else flights.arr_time end as arr_time,
        case when is_corrected then latest_corrections.arr_delay else flights.arr_delay end as arr_delay
    from flights
    left join latest_corrections using (year, month, day, carrier, flight, origin, sched_dep_time)

)

select
    format(
        '{:04d}-{:02d}-{:02d} {} {} {} {:04d}',
        year, month, day, carrier, flight, origin, sched_dep_time
    ) as flight_key,
    make_date(year, month, day) as flight_date,
    time_hour at time zone 'UTC' as scheduled_hour,
    cast(hour as integer) as scheduled_local_hour,
    carrier as carrier_code,
    cast(flight as integer) as flight_number,
    tailnum as tail_number,
    origin,
    dest as destination,
    cast(distance as integer) as distance_miles,
    dep_time is null as is_cancelled,
    cast(dep_delay as integer) as departure_delay_minutes,
    cast(arr_delay as integer) as arrival_delay_minutes,
    is_corrected
from corrected
  ) _dbt_internal_unit_test_actual
),
-- Build expected result
dbt_internal_unit_test_expected as (
  select
    "flight_key", "is_cancelled", "departure_delay_minutes", "arrival_delay_minutes", "is_corrected", 'expected' as "actual_or_expected"
  from (
    select 
    
    cast('2013-02-07 DL 2 JFK 0700' as character varying)
 as "flight_key", 
    
    cast(False as BOOLEAN)
 as "is_cancelled", 
    
    cast(2 as INTEGER)
 as "departure_delay_minutes", 
    
    cast(6 as INTEGER)
 as "arrival_delay_minutes", 
    
    cast(False as BOOLEAN)
 as "is_corrected"
union all
select 
    
    cast('2013-02-07 DL 1 JFK 0700' as character varying)
 as "flight_key", 
    
    cast(False as BOOLEAN)
 as "is_cancelled", 
    
    cast(1 as INTEGER)
 as "departure_delay_minutes", 
    
    cast(null as INTEGER)
 as "arrival_delay_minutes", 
    
    cast(True as BOOLEAN)
 as "is_corrected"
  ) _dbt_internal_unit_test_expected
)
-- Union actual and expected results
select * from dbt_internal_unit_test_actual
union all
select * from dbt_internal_unit_test_expected