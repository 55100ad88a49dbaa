select
    airport_code,
    airport_name,
    time_zone,
    altitude_feet
from {{ ref('stg_airports') }}
