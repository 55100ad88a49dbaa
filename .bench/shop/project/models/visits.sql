select visit_id, customer_id, visited_on from {{ source('till', 'visits') }}
