{# No row lacks a value in any of these columns. One test for all of them: each test is a node of its own for dbt, and a check for Dagster. #}
{% test filled(model, columns) %}
select *
from {{ model }}
where {{ columns | join(' is null or ') }} is null
{% endtest %}
