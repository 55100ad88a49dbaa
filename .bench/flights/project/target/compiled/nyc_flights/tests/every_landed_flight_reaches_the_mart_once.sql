-- Flights without weather, plane or airport are kept, and no join makes two of one.


with landed as (
    select year, month, day, origin, count(*) as flights
    from "nyc_flights"."raw"."flights"
    group by all
),

kept as (
    select year(flight_date) as year, month(flight_date) as month, day(flight_date) as day, origin, count(*) as flights
    from "nyc_flights"."main"."fct_flights"
    group by all
)

select * from landed
full join kept using (year, month, day, origin)
where landed.flights is distinct from kept.flights