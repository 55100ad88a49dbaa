{{ config(meta={'dagster': {'ref': {'name': 'fct_plane_days'}}}) }}

with flights as (
    select flight_date, count(*) as scheduled_flights, count(*) filter (where is_departed) as departed_flights
    from {{ ref('fct_flights') }}
    where tail_number is not null
    group by flight_date
),

plane_days as (
    select flight_date, sum(scheduled_flights) as scheduled_flights, sum(departed_flights) as departed_flights
    from {{ ref('fct_plane_days') }}
    group by flight_date
)

select * from flights
full join plane_days using (flight_date)
where flights.scheduled_flights is distinct from plane_days.scheduled_flights
or flights.departed_flights is distinct from plane_days.departed_flights
