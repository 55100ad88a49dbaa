select customer_id, country, segment, signed_up_on from {{ source('till', 'customers') }}
