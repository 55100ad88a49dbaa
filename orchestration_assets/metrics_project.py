"""A dbt project, its policy and its translators, put together: what metric assets and agents are built from."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import dagster as dg
from dagster_dbt import DagsterDbtTranslator, DbtProject

from agent_resources.metrics_resource import (
    GovernedMetricsResource,
    ReadSettings,
    SealingSettings,
)
from orchestration_assets.access_report import build_access_report
from orchestration_assets.dbt_project import DbtAssets, load_dbt_assets, locate_warehouse
from orchestration_assets.governed_snapshot import (
    SNAPSHOT_KEY,
    build_governed_snapshot,
    governed_dbt_keys,
)
from orchestration_assets.metric_assets import (
    READABLE,
    build_metric_asset_specs,
    metric_assets,
    metric_keys,
    publish_metrics,
)
from orchestration_assets.metric_days import MetricDays, build_metric_days
from orchestration_assets.openlineage_settings import (
    OpenLineageSettings,
    openlineage_definitions,
)
from orchestration_assets.outside.definitions import build_outside_definitions
from orchestration_assets.outside.outside_agents import ReadableAgent, load_outside_agents
from orchestration_assets.platform.platform_health import PLATFORM_KEY, build_platform_health
from orchestration_assets.platform.platform_sensor import build_platform_sensor
from orchestration_assets.platform.settings import PlatformSettings
from orchestration_assets.refresh import build_refresh_sensor
from orchestration_assets.translator import MetricTranslator
from orchestration_assets.triggers.gates import Upstream
from semantic.catalog import Catalog
from semantic.errors import WarehouseUnavailable
from semantic.metric import Metric
from semantic.policy import Policy
from semantic.policy_check import check_policy
from semantic.policy_file import load_policy

METRICS_RESOURCE = "governed_metrics"
_COPIES = ".local_defs_state"


@dataclass(frozen=True, kw_only=True)
class MetricsProject:
    """Everything that definitions over one dbt project need. Built by `load_metrics_project`."""

    catalog: Catalog
    policy: Policy
    dbt: DbtAssets
    resource: GovernedMetricsResource
    warehouse: Callable[[], Path]
    translator: MetricTranslator
    platform: PlatformSettings | None = None
    outside: tuple[ReadableAgent, ...] = ()

    @cached_property
    def metric_keys(self) -> Mapping[str, dg.AssetKey]:
        """By metric, the key of its asset."""
        return metric_keys(build_metric_asset_specs(self.catalog, translator=self.translator))

    @cached_property
    def made_of(self) -> Upstream:
        """By metric its own asset and those of the dbt nodes behind it; the results of dbt's own tests a snapshot keeps."""
        return Upstream(
            assets={
                name: (key, *self._behind(self.catalog.metrics[name]))
                if name not in self.catalog.platform_metrics
                else (key, PLATFORM_KEY)
                for name, key in self.metric_keys.items()
            },
            kept=frozenset(
                [
                    *(test.check_key for test in self.dbt.tests if test.check_key),
                    *(dg.AssetCheckKey(key, READABLE) for key in self.metric_keys.values()),
                ]
            ),
        )

    def _behind(self, metric: Metric) -> Iterator[dg.AssetKey]:
        models = {
            model
            for name in metric.semantic_models
            if (model := self.catalog.semantic_models[name].dbt_model)
        }
        for node in sorted(self.catalog.upstream(models)):
            if node in self.dbt.keys:
                yield self.dbt.keys[node]

    @property
    def refreshed_keys(self) -> tuple[dg.AssetKey, ...]:
        """The snapshot and its metrics, and where they are asked for those of the platform: what agents wait for."""
        return (
            SNAPSHOT_KEY,
            *([PLATFORM_KEY] if self.platform else ()),
            *self.metric_keys.values(),
        )


def load_metrics_project(
    project: DbtProject,
    policy: Path,
    *,
    warehouse: Path | None = None,
    dbt_translator: DagsterDbtTranslator | None = None,
    translator: MetricTranslator | None = None,
    state_dir: str = "",
    ledger: str = "",
    allow_ephemeral_record: bool = False,
    reading: ReadSettings | None = None,
    sealing: SealingSettings | None = None,
    platform: PlatformSettings | None = None,
    outside_agents: Path | None = None,
) -> MetricsProject:
    """Reads the dbt artifacts and the policy. Opens no warehouse, no ledger and no engine. With `platform`, Dagster's own health is among the metrics;
    `outside_agents` is the file of the agents that read from outside.

    Raises `GovernedMetricsError` with one short message where something does not fit.
    """
    folder = Path(project.project_dir).resolve()
    target = folder / project.target_path
    resource = GovernedMetricsResource(
        dbt_target=str(target),
        policy=str(policy.resolve()),
        dbt_project_dir=str(folder),
        state_dir=str(Path(state_dir).resolve()) if state_dir else "",
        ledger=ledger,
        allow_ephemeral_record=allow_ephemeral_record,
        reading=reading or ReadSettings(),
        sealing=sealing or SealingSettings(),
        platform_metrics=platform is not None,
    )
    named = warehouse.resolve() if warehouse else None
    catalog = resource.load_catalog()
    loaded = load_policy(policy)
    check_policy(loaded, catalog)
    return MetricsProject(
        catalog=catalog,
        policy=loaded,
        dbt=load_dbt_assets(target, translator=dbt_translator, project=project),
        resource=resource,
        warehouse=lambda: named or _warehouse_of(project),
        translator=translator or MetricTranslator(),
        platform=platform,
        outside=load_outside_agents(outside_agents, catalog, loaded) if outside_agents else (),
    )


def build_metrics_definitions(
    project: MetricsProject,
    *,
    default_sensor_status: dg.DefaultSensorStatus,
    openlineage: OpenLineageSettings | None = None,
    metrics_by_day: MetricDays | None = None,
) -> dg.Definitions:
    """The snapshot, one asset per metric, the sensor that refreshes both, the report of who uses them, and the door as a resource; with `openlineage` the
    sensor that sends events, with `metrics_by_day` the asset of the metrics on the past.
    """
    snapshot = build_governed_snapshot(
        project.catalog, project.dbt, project.warehouse, resource_key=METRICS_RESOURCE
    )

    @metric_assets(
        catalog=project.catalog, translator=project.translator, dbt_keys=project.dbt.keys
    )
    def governed_metrics_assets(
        context: dg.AssetExecutionContext, governed_metrics: GovernedMetricsResource
    ) -> Iterator[dg.MaterializeResult[None] | dg.AssetCheckResult]:
        yield from publish_metrics(context, governed_metrics)

    refresh = build_refresh_sensor(
        governed_dbt_keys(project.catalog, project.dbt),
        SNAPSHOT_KEY,
        list(project.metric_keys.values()),
        default_status=default_sensor_status,
    )
    return dg.Definitions.merge(
        dg.Definitions(
            assets=[snapshot, governed_metrics_assets],
            sensors=[refresh],
            resources={METRICS_RESOURCE: project.resource},
        ),
        build_access_report(
            resource_key=METRICS_RESOURCE,
            default_status=dg.DefaultScheduleStatus(default_sensor_status.value),
        ),
        openlineage_definitions(
            openlineage, resource_key=METRICS_RESOURCE, default_status=default_sensor_status
        ),
        _platform_definitions(project, default_sensor_status),
        build_outside_definitions(
            project.outside,
            project.metric_keys,
            resource_key=METRICS_RESOURCE,
            default_status=default_sensor_status,
        ),
        dg.Definitions(
            assets=[
                build_metric_days(
                    metrics_by_day, project.metric_keys, resource_key=METRICS_RESOURCE
                )
            ]
            if metrics_by_day
            else []
        ),
    )


def _platform_definitions(
    project: MetricsProject, default_status: dg.DefaultSensorStatus
) -> dg.Definitions:
    """The asset above the platform's metrics and the sensor that publishes them, where these are asked for."""
    if project.platform is None:
        return dg.Definitions()
    names = sorted(project.catalog.platform_metrics)
    sensor = build_platform_sensor(
        [project.metric_keys[name] for name in names],
        project.platform,
        publishing=[SNAPSHOT_KEY],
        default_status=default_status,
    )
    health = build_platform_health(resource_key=METRICS_RESOURCE)
    return dg.Definitions(assets=[health], sensors=[sensor])


def _warehouse_of(project: DbtProject) -> Path:
    """The warehouse, counted from the folder in which dagster-dbt runs dbt. Raises `WarehouseUnavailable`."""
    folder = Path(project.project_dir).resolve()
    path = locate_warehouse(
        folder,
        Path(project.profiles_dir) if project.profiles_dir else None,
        profile=project.profile,
        target=project.target,
    )
    if _COPIES in folder.parts and path.is_relative_to(folder) and not path.is_file():
        raise WarehouseUnavailable(
            f"There is no DuckDB warehouse at {path}",
            hint="materialize the dbt models. DbtProjectComponent renews this copy of the dbt project, and drops a "
            "warehouse that lies in it: an absolute `path` in profiles.yml keeps the data",
        )
    return path
