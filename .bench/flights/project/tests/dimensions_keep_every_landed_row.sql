select * from (
    select
        'planes' as dimension,
        (select count(*) from {{ source('raw', 'planes') }}) as landed,
        (select count(*) from {{ ref('dim_planes') }}) as kept
    union all
    select
        'airports',
        (select count(*) from {{ source('raw', 'airports') }}),
        (select count(*) from {{ ref('dim_airports') }})
    union all
    select
        'airlines',
        (select count(*) from {{ source('raw', 'airlines') }}),
        (select count(*) from {{ ref('dim_airlines') }})
)
where landed <> kept
