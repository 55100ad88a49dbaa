"""`SemanticMetricsComponent`: the metrics of a dbt project as governed assets."""

import os
from dataclasses import dataclass
from functools import cached_property
from importlib import import_module
from pathlib import Path
from typing import Annotated, Any

import dagster as dg
from dagster.components.utils.project_paths import get_local_state_path
from dagster_dbt import DagsterDbtTranslator, DbtProject, DbtProjectComponent
from dagster_dbt.components.dbt_project.component import DbtProjectArgs, resolve_dbt_project
from dagster_dbt.dbt_project_manager import DbtProjectManager, NoopDbtProjectManager
from dagster_dbt.errors import DagsterDbtError
from pydantic import BaseModel, Field

from agent_resources.metrics_resource import ReadSettings, SealingSettings
from orchestration_assets.components.defs_folder import folder_of, load_component_in
from orchestration_assets.errors import DefinitionsError, told_at_load
from orchestration_assets.metric_days import MetricDays
from orchestration_assets.metrics_project import (
    MetricsProject,
    build_metrics_definitions,
    load_metrics_project,
)
from orchestration_assets.openlineage_settings import OpenLineageSettings
from orchestration_assets.platform.settings import PlatformSettings

POLICY_TEMPLATE = """\
# Who may read which metric. Nothing is allowed unless a rule permits it; a forbid beats every permit.
rules:
  - permit: the refresh measures every metric
    readers: [refresh]
    metrics: ["*"]

  # - permit: the first agent reads one metric
  #   readers: [first_agent]
  #   metrics: [name_of_a_metric]
"""


class SemanticMetricsScaffoldParams(BaseModel):
    """What `dg scaffold defs` asks for."""

    dbt_project: str | None = Field(
        default=None, description="Path of the dbt project, from the current folder"
    )
    dbt_component: str | None = Field(
        default=None, description="Folder in defs/ of the project's DbtProjectComponent"
    )


class SemanticMetricsScaffolder(dg.Scaffolder[SemanticMetricsScaffoldParams]):
    """Writes `defs.yaml` and a `policy.yaml` that grants nothing but the refresh."""

    @classmethod
    def get_scaffold_params(cls) -> type[SemanticMetricsScaffoldParams]:
        return SemanticMetricsScaffoldParams

    def scaffold(self, request: dg.ScaffoldRequest[SemanticMetricsScaffoldParams]) -> None:
        asked = request.params
        attributes: dict[str, Any] = {"policy": "policy.yaml"}
        if asked.dbt_component:
            attributes["dbt_component"] = asked.dbt_component
        else:
            root = request.project_root or Path.cwd()
            written = os.path.relpath(asked.dbt_project or root / "dbt", start=root)
            attributes["dbt_project"] = "{{ context.project_root }}/" + written
        dg.scaffold_component(request, attributes)
        policy = request.target_path / "policy.yaml"
        if not policy.exists():
            policy.write_text(POLICY_TEMPLATE)


@dg.scaffold_with(SemanticMetricsScaffolder)
@dataclass
class SemanticMetricsComponent(dg.Component, dg.Resolvable):
    """The governed metrics of a dbt project on DuckDB: a snapshot asset below its models, and one asset per metric.

    Give either `dbt_component` or `dbt_project`. Relative paths count from the file that this is written in.
    """

    policy: Annotated[
        str, dg.Resolver.default(description="The central policy file: who may read which metric.")
    ]
    dbt_component: Annotated[
        str | None,
        dg.Resolver.default(description="The folder in defs/ of a DbtProjectComponent."),
    ] = None
    dbt_project: Annotated[
        DbtProject | DbtProjectManager | None,
        dg.Resolver(
            resolve_dbt_project,
            model_field_type=str | DbtProjectArgs.model(),
            description="The dbt project of @dbt_assets of your own: its folder, or a mapping with project_dir, profiles_dir, "
            "profile, target and so on, as DbtProjectComponent takes it.",
            examples=[
                "{{ context.project_root }}/dbt",
                {"project_dir": "../../dbt", "target": "prod"},
            ],
        ),
    ] = None
    dbt_translator: Annotated[
        str | None,
        dg.Resolver.default(
            description="The translator of your @dbt_assets, so that metrics lie below the keys that you have: "
            "package.module:Class, or the name of a translator in place of the class.",
        ),
    ] = None
    warehouse: Annotated[
        str | None,
        dg.Resolver.default(
            description="The DuckDB file that dbt builds into, where its profile does not tell."
        ),
    ] = None
    state_dir: Annotated[
        str,
        dg.Resolver.default(
            description="Where the record of reads and the snapshots live; by default in DAGSTER_HOME."
        ),
    ] = ""
    ledger: Annotated[
        str,
        dg.Resolver.default(
            description="URL of the Postgres database that keeps the record of reads; by default the Dagster instance's own where it "
            "has one, else a file in state_dir.",
            examples=["{{ env.LEDGER_URL }}"],
        ),
    ] = ""
    allow_ephemeral_record: Annotated[
        bool,
        dg.Resolver.default(
            description="Allow reads although the record is lost with the process: for tests and trials."
        ),
    ] = False
    reading: Annotated[
        ReadSettings | None,
        dg.Resolver.default(
            description="What queries may use, how many snapshots are kept, whether answers are cached.",
            examples=[{"query_seconds": 60, "query_memory_mb": 4096, "kept_snapshots": 10}],
        ),
    ] = None
    sealing: Annotated[
        SealingSettings | None,
        dg.Resolver.default(
            description="How many records may stand after the last checkpoint, and for how long.",
            examples=[{"records": 1000, "seconds": 60}],
        ),
    ] = None
    openlineage: Annotated[
        OpenLineageSettings | None,
        dg.Resolver.default(
            description="Where OpenLineage events of what agents read and decided are sent; by default nowhere.",
            examples=[{"to": "configured", "tables": "duckdb:///data/shop.duckdb"}],
        ),
    ] = None
    platform_metrics: Annotated[
        bool | PlatformSettings,
        dg.Resolver.default(
            description="Whether Dagster's own health (runs, failures, assets, queues) is among the governed metrics, and how often it is published.",
            examples=[True, {"at_most_every_minutes": 10}],
        ),
    ] = False
    metrics_by_day: Annotated[
        MetricDays | None,
        dg.Resolver.default(
            description="The days of the past of which an asset with a partition for each tells the metrics, as the data was known then; by default there is none.",
            examples=[{"start": "2013-01-01", "end": "2014-01-01"}],
        ),
    ] = None
    outside_agents: Annotated[
        str | None,
        dg.Resolver.default(
            description="The file of the agents that read from outside Dagster, over `governed-agents serve`: each is an asset, below what it may read.",
            examples=["outside_agents.yaml"],
        ),
    ] = None
    sensor_is_running: Annotated[
        bool,
        dg.Resolver.default(
            description="Whether the sensor that refreshes the snapshot runs from the start."
        ),
    ] = True

    def build_defs(self, context: dg.ComponentLoadContext) -> dg.Definitions:
        with told_at_load():
            _refuse_a_second(context)
            return build_metrics_definitions(
                self.load_project(context, folder_of(context)),
                default_sensor_status=sensor_status(is_running=self.sensor_is_running),
                openlineage=self._openlineage(folder_of(context)),
                metrics_by_day=self.metrics_by_day,
            )

    def _openlineage(self, folder: Path) -> OpenLineageSettings | None:
        """A file counts from the file that this is written in, too."""
        found = self.openlineage
        if found is None or found.to == "configured" or "://" in found.to:
            return found
        return found.model_copy(update={"to": str(folder / found.to)})

    @property
    def _platform(self) -> PlatformSettings | None:
        if isinstance(self.platform_metrics, PlatformSettings):
            return self.platform_metrics
        return PlatformSettings() if self.platform_metrics else None

    def load_project(self, context: dg.ComponentLoadContext, folder: Path) -> MetricsProject:
        """What the agents of another component build on; read once. `folder` is the one that this component's file lies in.

        Raises `GovernedMetricsError` with one short message.
        """
        if folder not in self._loaded:
            project, translator = self._dbt(context)
            self._loaded[folder] = load_metrics_project(
                project,
                _policy_file(folder / self.policy),
                warehouse=folder / self.warehouse if self.warehouse else None,
                dbt_translator=translator,
                state_dir=str(folder / self.state_dir) if self.state_dir else "",
                ledger=self.ledger,
                allow_ephemeral_record=self.allow_ephemeral_record,
                reading=self.reading,
                sealing=self.sealing,
                platform=self._platform,
                outside_agents=folder / self.outside_agents if self.outside_agents else None,
            )
        return self._loaded[folder]

    @cached_property
    def _loaded(self) -> dict[Path, MetricsProject]:
        return {}

    def _dbt(
        self, context: dg.ComponentLoadContext
    ) -> tuple[DbtProject, DagsterDbtTranslator | None]:
        if self.dbt_component is not None and self.dbt_translator is not None:
            raise DefinitionsError(
                "dbt_translator goes with dbt_project; a DbtProjectComponent has a translation of its own",
                hint="remove dbt_translator",
            )
        if self.dbt_component is not None and self.dbt_project is None:
            return _dbt_of_component(context, self.dbt_component)
        if self.dbt_project is not None and self.dbt_component is None:
            return _prepared(self.dbt_project), _translator(self.dbt_translator)
        raise DefinitionsError(
            "SemanticMetricsComponent takes either dbt_component or dbt_project",
            hint="dbt_component names the folder in defs/ of a DbtProjectComponent, dbt_project the folder of a dbt project",
        )


def _refuse_a_second(context: dg.ComponentLoadContext) -> None:
    found = context.component_tree.get_all_components(SemanticMetricsComponent)
    if len(found) > 1:
        raise DefinitionsError(
            f"This project has {len(found)} SemanticMetricsComponents, and their assets would have the same keys",
            hint="keep one; a second dbt project goes into a Dagster project of its own",
        )


def _policy_file(path: Path) -> Path:
    if not path.is_file():
        raise DefinitionsError(
            f"There is no policy file {path.resolve()}",
            hint="nothing is granted without one; `dg scaffold defs` writes a first one beside defs.yaml",
        )
    return path


def _dbt_of_component(
    context: dg.ComponentLoadContext, folder: str
) -> tuple[DbtProject, DagsterDbtTranslator]:
    """The project in the folder in which the component really runs dbt, and its translator."""
    component = load_component_in(context, folder, DbtProjectComponent)
    context.build_defs(folder)  # in development this is what renews the folder
    state = get_local_state_path(component.defs_state_config.key, context.project_root)
    manager = component._project_manager
    return manager.get_project(state if state.exists() else None), component.translator


def _prepared(project: DbtProject | DbtProjectManager) -> DbtProject:
    manager = NoopDbtProjectManager(project) if isinstance(project, DbtProject) else project
    try:
        found = manager.get_project(None)
    except DagsterDbtError as error:
        raise DefinitionsError(
            f"dbt_project: {error.description}", hint="name the folder with dbt_project.yml"
        ) from error
    try:
        found.prepare_if_dev()
    except DagsterDbtError as error:
        raise DefinitionsError(
            f"dbt cannot parse the project in {found.project_dir}",
            hint="run `dbt parse` there, and mend what it says",
        ) from error
    return found


def _translator(path: str | None) -> DagsterDbtTranslator | None:
    if path is None:
        return None
    module_name, _, attribute = path.partition(":")
    try:
        found = getattr(import_module(module_name), attribute)
        made = found() if isinstance(found, type) else found
    except (ImportError, AttributeError, TypeError, ValueError) as error:
        raise DefinitionsError(
            f"Cannot make the dbt translator '{path}': {error}",
            hint="write it as package.module:Class, a class without arguments, or package.module:translator",
        ) from error
    if not isinstance(made, DagsterDbtTranslator):
        raise DefinitionsError(
            f"'{path}' is not a DagsterDbtTranslator",
            hint="name the one that your @dbt_assets uses",
        )
    return made


def sensor_status(*, is_running: bool) -> dg.DefaultSensorStatus:
    """The status a sensor has until a person changes it."""
    return dg.DefaultSensorStatus.RUNNING if is_running else dg.DefaultSensorStatus.STOPPED
