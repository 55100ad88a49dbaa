"""The demonstration's code location: arrivals -> dbt models -> governed_snapshot -> metrics -> agents.

The agents follow scripts unless the environment names a chat model: GOVERNED_AGENTS_MODEL (`provider:model`), and where needed
GOVERNED_AGENTS_BASE_URL, GOVERNED_AGENTS_API_KEY, and GOVERNED_AGENTS_MODE=constrained for a model without good tool calling.
"""

import os
from collections.abc import Iterator
from pathlib import Path

import dagster as dg
from dagster_dbt import (
    DagsterDbtTranslator,
    DagsterDbtTranslatorSettings,
    DbtCliResource,
    DbtProject,
    dbt_assets,
)

from orchestration_assets.agents_project import ModelSettings, build_agents_definitions
from orchestration_assets.dbt_project import locate_warehouse
from orchestration_assets.defs.arrivals import build_arrivals
from orchestration_assets.metrics_project import build_metrics_definitions, load_metrics_project

HERE = Path(__file__).resolve().parent
DBT_PROJECT = HERE.parent / "dbt_project"


def build_demo(
    *,
    dbt_project: Path = DBT_PROJECT,
    data: Path | None = None,
    policy: Path = HERE / "defs" / "policy.yaml",
    agents: Path = HERE / "defs" / "agents",
    sensors: dg.DefaultSensorStatus = dg.DefaultSensorStatus.RUNNING,
    sensor_interval_seconds: int = 30,
) -> dg.Definitions:
    """The definitions of the demonstration, over another copy of its dbt project, data, policy or agents where given."""
    project = DbtProject(project_dir=dbt_project, profiles_dir=dbt_project)
    project.prepare_if_dev()
    translator = DagsterDbtTranslator(
        settings=DagsterDbtTranslatorSettings(enable_duplicate_source_asset_keys=True)
    )
    metrics = load_metrics_project(project, policy, dbt_translator=translator)

    @dbt_assets(
        manifest=project.manifest_path,
        project=project,
        name="flights_dbt",
        pool="warehouse",
        dagster_dbt_translator=translator,
    )
    def flights_dbt(context: dg.AssetExecutionContext, dbt: DbtCliResource) -> Iterator[object]:
        yield from dbt.cli(["build"], context=context).stream()

    return dg.Definitions.merge(
        dg.Definitions(
            assets=[
                build_arrivals(data or dbt_project / "data", lambda: locate_warehouse(dbt_project)),
                flights_dbt,
            ],
            resources={"dbt": DbtCliResource(project_dir=project, profiles_dir=str(dbt_project))},
        ),
        build_metrics_definitions(metrics, default_sensor_status=sensors),
        build_agents_definitions(
            agents,
            metrics,
            model=ModelSettings(
                model=os.environ.get("GOVERNED_AGENTS_MODEL", ""),
                mode="constrained"
                if os.environ.get("GOVERNED_AGENTS_MODE") == "constrained"
                else None,
                base_url=os.environ.get("GOVERNED_AGENTS_BASE_URL", ""),
                api_key_env="GOVERNED_AGENTS_API_KEY"
                if "GOVERNED_AGENTS_API_KEY" in os.environ
                else "",
            ),
            default_sensor_status=sensors,
            minimum_interval_seconds=sensor_interval_seconds,
        ),
    )


@dg.definitions
def defs() -> dg.Definitions:
    return build_demo()
