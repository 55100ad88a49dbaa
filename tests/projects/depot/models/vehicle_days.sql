select vehicle_id, on_day, condition from {{ ref('raw_vehicle_days') }}
