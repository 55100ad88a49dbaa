"""`SemanticMetricsComponent`: the metrics of a dbt project as governed assets."""

from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

import dagster as dg
from dagster.components.utils.project_paths import get_local_state_path
from dagster_dbt import DagsterDbtTranslator, DbtProject, DbtProjectComponent
from pydantic import BaseModel, Field

from orchestration_assets.errors import DefinitionsError, told_at_load
from orchestration_assets.metrics_project import (
    MetricsProject,
    build_metrics_definitions,
    load_metrics_project,
)

POLICY_TEMPLATE = """\
# Who may read which metric. Nothing is allowed unless a rule permits it; a forbid beats every permit.
rules:
  - permit: the refresh measures every metric
    readers: [refresh]
    metrics: ["*"]
"""


class SemanticMetricsScaffoldParams(BaseModel):
    """What `dg scaffold defs` asks for."""

    dbt_project: str | None = Field(default=None, description="Path of the dbt project")
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
            attributes["dbt_project"] = "{{ context.project_root }}/" + (asked.dbt_project or "dbt")
        dg.scaffold_component(request, attributes)
        policy = request.target_path / "policy.yaml"
        if not policy.exists():
            policy.write_text(POLICY_TEMPLATE)


@dg.scaffold_with(SemanticMetricsScaffolder)
@dataclass
class SemanticMetricsComponent(dg.Component, dg.Resolvable):
    """The governed metrics of a dbt project on DuckDB: a snapshot asset below its models, and one asset per metric.

    Give either `dbt_component`, the folder in `defs/` of a `DbtProjectComponent`, or `dbt_project`, the folder of the dbt project.
    With `dbt_project` and `@dbt_assets` of your own, name your translator as `dbt_translator: package.module:Class`, so that the
    metrics lie below the keys that you have. `policy` is the central policy file. Relative paths count from this file.
    """

    policy: str
    dbt_project: str | None = None
    dbt_component: str | None = None
    dbt_translator: str | None = None
    dbt_target: str | None = None
    profiles_dir: str | None = None
    warehouse: str | None = None
    state_dir: str = ""
    sensor_is_running: bool = True

    def build_defs(self, context: dg.ComponentLoadContext) -> dg.Definitions:
        return build_metrics_definitions(
            self.load_project(context, folder_of(context)),
            default_sensor_status=sensor_status(is_running=self.sensor_is_running),
        )

    def load_project(self, context: dg.ComponentLoadContext, folder: Path) -> MetricsProject:
        """What the agents of another component build on. `folder` is the one that this component's file lies in."""
        with told_at_load():
            project, translator = self._dbt(context, folder)
            return load_metrics_project(
                project,
                (folder / self.policy).resolve(),
                warehouse=(folder / self.warehouse).resolve() if self.warehouse else None,
                dbt_translator=translator,
                state_dir=self.state_dir,
            )

    def _dbt(
        self, context: dg.ComponentLoadContext, folder: Path
    ) -> tuple[DbtProject, DagsterDbtTranslator | None]:
        if (self.dbt_project is None) == (self.dbt_component is None):
            raise DefinitionsError(
                "SemanticMetricsComponent takes either dbt_project or dbt_component",
                hint="dbt_component names the folder in defs/ of a DbtProjectComponent",
            )
        if self.dbt_component is not None:
            return _dbt_of_component(context, self.dbt_component)
        project = DbtProject(
            project_dir=(folder / str(self.dbt_project)).resolve(),
            profiles_dir=(folder / self.profiles_dir).resolve() if self.profiles_dir else None,
            target=self.dbt_target,
        )
        project.prepare_if_dev()
        return project, _translator(self.dbt_translator)


def _dbt_of_component(
    context: dg.ComponentLoadContext, folder: str
) -> tuple[DbtProject, DagsterDbtTranslator]:
    """The project in the folder in which the component really runs dbt, and its translator."""
    component = context.load_component(folder, DbtProjectComponent)
    context.build_defs(folder)
    state = get_local_state_path(component.defs_state_config.key, context.project_root)
    prepared = state if state.exists() else None
    return component._project_manager.get_project(prepared), component.translator


def _translator(path: str | None) -> DagsterDbtTranslator | None:
    if path is None:
        return None
    module_name, _, attribute = path.partition(":")
    try:
        made: DagsterDbtTranslator = getattr(import_module(module_name), attribute)()
    except (ImportError, AttributeError, TypeError) as error:
        raise DefinitionsError(
            f"Cannot make the dbt translator '{path}': {error}",
            hint="name a class without arguments as package.module:Class",
        ) from error
    return made


def folder_of(context: dg.ComponentLoadContext) -> Path:
    """The folder that a component's file lies in."""
    return context.path.parent if context.path.is_file() else context.path


def sensor_status(*, is_running: bool) -> dg.DefaultSensorStatus:
    """The status a sensor has until a person changes it."""
    return dg.DefaultSensorStatus.RUNNING if is_running else dg.DefaultSensorStatus.STOPPED
