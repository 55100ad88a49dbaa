

select flight_key
from "nyc_flights"."main"."fct_flights" as flights
where flights.has_plane
    <> coalesce(flights.tail_number in (select tail_number from "nyc_flights"."main"."dim_planes"), false)
or flights.has_destination_airport
    <> (flights.destination in (select airport_code from "nyc_flights"."main"."dim_airports"))
or (not flights.has_plane and flights.seats_flown is not null)