"""dagster-dbt as it runs in tests: without the adapter of dbt that it loads for each command, which takes longer than building a small
project. It serves `fetch_column_metadata` and `fetch_row_counts`, which nobody here asks for.
"""

import pytest
from dagster_dbt import DbtCliResource


def load_no_adapter(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(DbtCliResource, "_initialize_dbt_core_adapter", lambda *_: None)
