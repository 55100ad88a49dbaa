select
    faa as airport_code,
    name as airport_name,
    tzone as time_zone,
    cast(alt as integer) as altitude_feet
from {{ source('raw', 'airports') }}
