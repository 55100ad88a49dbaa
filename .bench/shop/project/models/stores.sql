select store_id, region, city from {{ source('till', 'stores') }}
