"""The agents of a folder over one metrics project: their assets, resources and sensor."""

import inspect
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import dagster as dg

from agent_resources.agent import AgentDefinition, Mode
from agent_resources.agent_file import load_agent
from agent_resources.agent_resource import AgentResource
from agent_resources.errors import AgentDefinitionError
from agent_resources.import_path import imported
from agent_resources.model_names import missing_for, wrong_model
from agent_resources.prices import PRICES_FILE
from orchestration_assets.agent_assets import build_agent_asset, readable_names
from orchestration_assets.agent_key import agent_asset_key
from orchestration_assets.approvals.actions_asset import build_actions_asset
from orchestration_assets.approvals.approvals_sensor import Proposer, build_approvals_sensor
from orchestration_assets.circles import refuse_circles
from orchestration_assets.history_assets import build_history_asset
from orchestration_assets.metrics_project import METRICS_RESOURCE, MetricsProject
from orchestration_assets.outcome_check import build_outcome_check
from orchestration_assets.recovery.recovery_sensor import build_recovery_sensor
from orchestration_assets.sensors import build_agent_sensor
from orchestration_assets.triggers.look import WatchedAgent
from orchestration_assets.triggers.refused import refuse_triggers
from semantic.catalog import Catalog
from semantic.errors import did_you_mean
from semantic.policy import Policy
from semantic.yaml_file import load_yaml


@dataclass(frozen=True, kw_only=True)
class ModelSettings:
    """The chat model of all agents of a folder, where it is not the one in their files.

    `mode` says how it acts; `api_key_env` names the environment variable that holds the key; the key itself is read when a run starts.
    With `keys_at_run` it need not be there before: a key that is missing is then told by the run, and not when definitions load.
    """

    model: str = ""
    mode: Mode | None = None
    base_url: str = ""
    api_key_env: str = ""
    keys_at_run: bool = False


def build_agents_definitions(
    folder: Path,
    project: MetricsProject,
    *,
    model: ModelSettings | None = None,
    default_sensor_status: dg.DefaultSensorStatus,
    sensor_name: str = "agents_on_changed_values",
    minimum_interval_seconds: int = 30,
    notify: Sequence[str] = (),
    notify_env: Sequence[str] = (),
) -> dg.Definitions:
    """One asset and one resource per agent file, and the sensor that runs them; for agents that propose something the sensor that follows that, which tells
    people at the addresses of `notify` and those that stand in the variables `notify_env`. Raises `AgentDefinitionError`.
    """
    settings = model or ModelSettings()
    paths = agent_files(folder.resolve())
    definitions = [
        load_agent(path, model=settings.model or None, mode=settings.mode) for path in paths
    ]
    _refuse_same_names(definitions, paths)
    _refuse_unknown_metrics(definitions, paths, project.catalog)
    _refuse_unknown_models(definitions, paths, settings)
    _refuse_unknown_agents(definitions, paths)
    refuse_circles(
        definitions,
        paths,
        {it.name: it.memory.decisions_of for it in definitions},
        place=("memory", "decisions_of"),
        what="read each other's decisions",
        hint="take one of them out of it: an agent runs after those whose decisions it reads",
    )
    watched = [
        WatchedAgent(
            definition=definition,
            key=agent_asset_key(definition.name),
            readable=readable_names(definition, project.policy, project.catalog),
        )
        for definition in definitions
    ]
    refuse_triggers(
        definitions,
        paths,
        [agent.readable for agent in watched],
        project.catalog,
        project.policy,
    )
    _refuse_uncounted(definitions, paths, project.policy)
    proposers = [
        Proposer(definition=agent.definition, key=agent.key)
        for agent in watched
        if agent.definition.may_propose
    ]
    doctors = [it.definition for it in watched if it.definition.recovery is not None]
    return dg.Definitions(
        assets=[
            build_agent_asset(
                agent.definition,
                metric_keys=project.metric_keys,
                readable=agent.readable,
                resource_key=resource_key(agent.definition),
                made_of=project.made_of,
            )
            for agent in watched
        ]
        + [
            build_actions_asset(agent.definition, agent.key, resource_key=METRICS_RESOURCE)
            for agent in watched
            if agent.definition.writes
        ]
        + [
            build_history_asset(
                agent.definition,
                metric_keys=project.metric_keys,
                readable=agent.readable,
                resource_key=resource_key(agent.definition),
            )
            for agent in watched
            if agent.definition.history is not None
        ],
        asset_checks=[
            build_outcome_check(
                agent.definition,
                agent.key,
                imported(agent.definition.outcome.call),
                resource_key=METRICS_RESOURCE,
            )
            for agent in watched
            if agent.definition.outcome is not None
        ],
        sensors=[
            build_agent_sensor(
                watched,
                name=sensor_name,
                resource_key=METRICS_RESOURCE,
                upstream=project.refreshed_keys,
                made_of=project.made_of,
                default_status=default_sensor_status,
                minimum_interval_seconds=minimum_interval_seconds,
            ),
            *(
                [
                    build_approvals_sensor(
                        proposers,
                        name=f"{sensor_name.removesuffix('_on_changed_values')}_approvals",
                        resource_key=METRICS_RESOURCE,
                        notify=notify,
                        notify_env=notify_env,
                        default_status=default_sensor_status,
                        minimum_interval_seconds=minimum_interval_seconds,
                    )
                ]
                if proposers
                else []
            ),
            *(
                [
                    build_recovery_sensor(
                        doctors,
                        name=f"{sensor_name.removesuffix('_on_changed_values')}_recovery",
                        resource_key=METRICS_RESOURCE,
                        notify=notify,
                        notify_env=notify_env,
                        default_status=default_sensor_status,
                        minimum_interval_seconds=minimum_interval_seconds,
                    )
                ]
                if doctors
                else []
            ),
        ],
        resources={
            resource_key(agent.definition): _resource(path, project, settings)
            for agent, path in zip(watched, paths, strict=True)
        },
    )


def agent_files(folder: Path) -> Sequence[Path]:
    """The agent files of a folder, by name; `defs.yaml` is Dagster's own, and the file of prices is no agent. Raises `AgentDefinitionError`."""
    found = sorted(
        path
        for path in [*folder.glob("*.yaml"), *folder.glob("*.yml")]
        if path.stem not in ("defs", "component") and path.name != PRICES_FILE
    )
    if not found:
        raise AgentDefinitionError(
            f"{folder} holds no agent",
            hint="put one YAML file per agent in it, with a prompt beside it",
        )
    return found


def resource_key(definition: AgentDefinition) -> str:
    """The key of an agent's resource."""
    return f"agent_{definition.name}"


def _resource(path: Path, project: MetricsProject, settings: ModelSettings) -> AgentResource:
    key: dict[str, Any] = (
        {"api_key": dg.EnvVar(settings.api_key_env)} if settings.api_key_env else {}
    )
    return AgentResource(
        definition=str(path),
        metrics=project.resource,
        model=settings.model,
        mode=settings.mode or "",
        base_url=settings.base_url,
        **key,
    )


def _refuse_unknown_models(
    definitions: Sequence[AgentDefinition], paths: Sequence[Path], settings: ModelSettings
) -> None:
    for definition, path in zip(definitions, paths, strict=True):
        wrong = wrong_model(definition, base_url=settings.base_url)
        if wrong is None and not settings.keys_at_run:
            wrong = missing_for(
                definition,
                os.environ,
                base_url=settings.base_url,
                api_key_env=settings.api_key_env,
            )
        if wrong is not None:
            file = load_yaml(path, AgentDefinitionError)
            is_own = wrong.keys != ("model",) or not settings.model
            whose = "" if is_own else f"the chat model of all agents of {path.parent}, for "
            raise AgentDefinitionError(
                f"{whose}{file.where(*wrong.keys)}: {wrong.message}", hint=wrong.hint
            )


def _refuse_same_names(definitions: Sequence[AgentDefinition], paths: Sequence[Path]) -> None:
    seen: dict[str, Path] = {}
    for definition, path in zip(definitions, paths, strict=True):
        if definition.name in seen:
            where = load_yaml(path, AgentDefinitionError).where("name")
            raise AgentDefinitionError(
                f"{where}: a second agent with the name '{definition.name}'",
                hint=f"the first is in {seen[definition.name]}",
            )
        seen[definition.name] = path


def _refuse_unknown_metrics(
    definitions: Sequence[AgentDefinition], paths: Sequence[Path], catalog: Catalog
) -> None:
    for definition, path in zip(definitions, paths, strict=True):
        for position, name in enumerate(definition.metrics):
            if name not in catalog.metrics:
                where = load_yaml(path, AgentDefinitionError).where("metrics", position)
                raise AgentDefinitionError(
                    f"{where}: asks for an unknown metric '{name}'",
                    hint=did_you_mean(name, catalog.metrics)
                    or f"known: {', '.join(list(catalog.metrics)[:20])}",
                )


def _refuse_uncounted(
    definitions: Sequence[AgentDefinition], paths: Sequence[Path], policy: Policy
) -> None:
    """A rule that counts by an argument that a tool does not have would never let a call of it be made without a person."""
    for definition, path in zip(definitions, paths, strict=True):
        for tool in definition.every_tool:
            known = list(inspect.signature(tool.load_as_shown()).parameters)
            for rule in policy.may_call(definition.reader, tool.name).unattended:
                per = rule.unattended.per if rule.unattended else None
                if per is not None and per not in known:
                    raise AgentDefinitionError(
                        f"{load_yaml(path, AgentDefinitionError).where('name')}: the rule '{rule.name}' of the policy counts per '{per}', which is no argument of '{tool.name}'",
                        hint=did_you_mean(per, known) or f"its arguments: {', '.join(known)}",
                    )


def _refuse_unknown_agents(definitions: Sequence[AgentDefinition], paths: Sequence[Path]) -> None:
    """Another code location may have an agent of which this one reads the decisions; one that is called almost as one of these is a slip of the pen."""
    known = [definition.name for definition in definitions]
    for definition, path in zip(definitions, paths, strict=True):
        others = definition.memory.decisions_of
        for position, name in enumerate(others):
            wrong = None
            if name == definition.name:
                wrong = "names itself", "ask for past_runs: that is what it decided itself"
            elif name in others[:position]:
                wrong = f"names '{name}' twice", "name it once"
            elif name not in known and (hint := did_you_mean(name, known)):
                wrong = f"names an unknown agent '{name}'", hint
            if wrong is not None:
                file = load_yaml(path, AgentDefinitionError)
                where = file.where("memory", "decisions_of", position)
                raise AgentDefinitionError(f"{where}: {wrong[0]}", hint=wrong[1])
