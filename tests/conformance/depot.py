"""The depot: a small project with all that MetricFlow joins, groups and adds up."""

from pathlib import Path

from tests.dbt_build import BuiltProject, build_dbt_project

SOURCE = Path(__file__).parents[1] / "projects" / "depot"


def build_depot(folder: Path) -> BuiltProject:
    """The depot, built by dbt in `folder`; by the first process that asks, where several share the folder."""
    return build_dbt_project(SOURCE, folder, warehouse="depot.duckdb", variable="DEPOT_WAREHOUSE")
