
-- Fixture for stg_flights
select 
    
    cast('summer' as character varying)
 as "flight_key", 
    
    cast('2013-11-03' as DATE)
 as "flight_date", 
    
    cast('2013-11-03 05:00:00' as TIMESTAMP)
 as "scheduled_hour", 
    
    cast(1 as INTEGER)
 as "scheduled_local_hour", cast(null as character varying(256)) as "carrier_code", cast(null as INTEGER) as "flight_number", cast(null as character varying(256)) as "tail_number", 
    
    cast('JFK' as character varying)
 as "origin", cast(null as character varying(256)) as "destination", cast(null as INTEGER) as "distance_miles", 
    
    cast(False as BOOLEAN)
 as "is_cancelled", cast(null as INTEGER) as "departure_delay_minutes", cast(null as INTEGER) as "arrival_delay_minutes", cast(null as BOOLEAN) as "is_corrected"
union all
select 
    
    cast('winter' as character varying)
 as "flight_key", 
    
    cast('2013-11-03' as DATE)
 as "flight_date", 
    
    cast('2013-11-03 06:00:00' as TIMESTAMP)
 as "scheduled_hour", 
    
    cast(1 as INTEGER)
 as "scheduled_local_hour", cast(null as character varying(256)) as "carrier_code", cast(null as INTEGER) as "flight_number", cast(null as character varying(256)) as "tail_number", 
    
    cast('JFK' as character varying)
 as "origin", cast(null as character varying(256)) as "destination", cast(null as INTEGER) as "distance_miles", 
    
    cast(False as BOOLEAN)
 as "is_cancelled", cast(null as INTEGER) as "departure_delay_minutes", cast(null as INTEGER) as "arrival_delay_minutes", cast(null as BOOLEAN) as "is_corrected"
union all
select 
    
    cast('unseen' as character varying)
 as "flight_key", 
    
    cast('2013-11-03' as DATE)
 as "flight_date", 
    
    cast('2013-11-03 07:00:00' as TIMESTAMP)
 as "scheduled_hour", 
    
    cast(2 as INTEGER)
 as "scheduled_local_hour", cast(null as character varying(256)) as "carrier_code", cast(null as INTEGER) as "flight_number", cast(null as character varying(256)) as "tail_number", 
    
    cast('JFK' as character varying)
 as "origin", cast(null as character varying(256)) as "destination", cast(null as INTEGER) as "distance_miles", 
    
    cast(False as BOOLEAN)
 as "is_cancelled", cast(null as INTEGER) as "departure_delay_minutes", cast(null as INTEGER) as "arrival_delay_minutes", cast(null as BOOLEAN) as "is_corrected"