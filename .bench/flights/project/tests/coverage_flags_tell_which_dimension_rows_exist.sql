{{ config(meta={'dagster': {'ref': {'name': 'fct_flights'}}}) }}

select flight_key
from {{ ref('fct_flights') }} as flights
where flights.has_plane
    <> coalesce(flights.tail_number in (select tail_number from {{ ref('dim_planes') }}), false)
or flights.has_destination_airport
    <> (flights.destination in (select airport_code from {{ ref('dim_airports') }}))
or (not flights.has_plane and flights.seats_flown is not null)
