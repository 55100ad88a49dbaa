"""The corner shop as a code location: dbt, the snapshot, metrics, and three agents."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import dagster as dg
from dagster_dbt import DbtCliResource, DbtProject, dbt_assets

from agent_resources.agent_file import load_agent
from agent_resources.metrics_resource import GovernedMetricsResource
from orchestration_assets.agent_assets import readable_names
from orchestration_assets.agents_project import agent_files, build_agents_definitions
from orchestration_assets.governed_snapshot import governed_dbt_keys
from orchestration_assets.metrics_project import (
    MetricsProject,
    build_metrics_definitions,
    load_metrics_project,
)
from orchestration_assets.platform.settings import PlatformSettings
from orchestration_assets.refresh import build_refresh_sensor
from orchestration_assets.triggers.look import WatchedAgent
from tests.dbt_build import copy_dbt_project, run_dbt
from tests.orchestration_assets.location import OUTSIDE_SENSOR, PLATFORM_SENSOR, SNAPSHOT, agent_key

SOURCE = Path(__file__).parents[1] / "projects" / "shop"
CORNER = Path(__file__).parent / "corner"
# The sensors of the metrics that are taken as they are; the one of the refresh looks as often as a test wants.
BESIDE = (PLATFORM_SENSOR, OUTSIDE_SENSOR)


def project_of(folder: Path) -> Path:
    return folder / "project"


def warehouse_of(folder: Path) -> Path:
    return project_of(folder) / "shop.duckdb"


def prepare(folder: Path) -> None:
    """The dbt project with its artifacts, in `folder`. Runs dbt once, to parse."""
    copy_dbt_project(SOURCE, project_of(folder))
    run_dbt("parse", project_of(folder))


def load_shop(
    folder: Path,
    *,
    policy: Path = CORNER / "policy.yaml",
    resource: type[GovernedMetricsResource] = GovernedMetricsResource,
    allow_ephemeral_record: bool = False,
    platform: PlatformSettings | None = None,
) -> MetricsProject:
    """The metrics of the shop in `folder`. `resource` is what they are read through."""
    project = DbtProject(project_dir=project_of(folder), profiles_dir=project_of(folder))
    loaded = load_metrics_project(project, policy, platform=platform)
    settings = loaded.resource.model_dump() | {"allow_ephemeral_record": allow_ephemeral_record}
    return replace(loaded, resource=resource(**settings))


def watched_agents(metrics: MetricsProject, agents: Path = CORNER / "agents") -> list[WatchedAgent]:
    """What the sensor is given for the agents of a folder."""
    return [
        WatchedAgent(
            definition=definition,
            key=agent_key(definition.name),
            readable=readable_names(definition, metrics.policy, metrics.catalog),
        )
        for definition in map(load_agent, agent_files(agents))
    ]


def build_definitions(
    folder: Path,
    metrics: MetricsProject | None = None,
    *,
    agents: Path = CORNER / "agents",
    sensor_interval_seconds: int = 30,
) -> dg.Definitions:
    """The shop in `folder`: dbt, the snapshot and the metrics, and the agents of a folder."""
    metrics = metrics or load_shop(folder)
    project = DbtProject(project_dir=project_of(folder), profiles_dir=project_of(folder))

    @dbt_assets(manifest=project.manifest_path, project=project, name="shop_dbt")
    def shop_dbt(context: dg.AssetExecutionContext, dbt: DbtCliResource) -> Iterator[object]:
        yield from dbt.cli(["build"], context=context).stream()

    read = build_metrics_definitions(metrics, default_sensor_status=dg.DefaultSensorStatus.RUNNING)
    refresh = build_refresh_sensor(
        governed_dbt_keys(metrics.catalog, metrics.dbt),
        SNAPSHOT,
        [*metrics.metric_keys.values()],
        minimum_interval_seconds=sensor_interval_seconds,
    )
    return dg.Definitions.merge(
        dg.Definitions(
            assets=[shop_dbt],
            resources={
                "dbt": DbtCliResource(
                    project_dir=project,
                    profiles_dir=str(project_of(folder)),
                )
            },
        ),
        dg.Definitions(
            assets=read.assets,
            resources=read.resources,
            sensors=[refresh, *(it for it in read.sensors or () if it.name in BESIDE)],
        ),
        build_agents_definitions(
            agents,
            metrics,
            default_sensor_status=dg.DefaultSensorStatus.RUNNING,
            minimum_interval_seconds=sensor_interval_seconds,
        ),
    )
