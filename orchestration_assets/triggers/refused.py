"""Triggers that could never call for a run, or would call for runs without end: refused when definitions load, with file and line."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from agent_resources.agent import AgentDefinition
from agent_resources.errors import AgentDefinitionError
from agent_resources.output_type import field_names
from agent_resources.trigger import Cron, DecisionOf, RunFailed, ValueChanged, When
from orchestration_assets.circles import refuse_circles
from orchestration_assets.triggers.calendar import wrong_cron
from semantic.catalog import Catalog
from semantic.errors import did_you_mean
from semantic.metric import Dimension, DimensionKind, Metric
from semantic.platform.failed_assets import FAILURE_WATCH, FAILURES, PAST_WATCH
from semantic.policy import Permit, Policy
from semantic.yaml_file import load_yaml


@dataclass(frozen=True, kw_only=True)
class _Wrong:
    """What is wrong with a trigger, where in it, and what to do."""

    keys: tuple[str | int, ...]
    message: str
    hint: str


def refuse_triggers(
    definitions: Sequence[AgentDefinition],
    paths: Sequence[Path],
    readable: Sequence[Sequence[str]],
    catalog: Catalog,
    policy: Policy | None = None,
) -> None:
    """Raises `AgentDefinitionError` for the first trigger of these agents that cannot be. `readable` are the metrics that each of them asks for and is
    granted, by `policy`.
    """
    by_name = {definition.name: definition for definition in definitions}
    for definition, path, granted in zip(definitions, paths, readable, strict=True):
        for position, when in enumerate(definition.trigger.on):
            wrong = next(_wrongs(when, definition, granted, catalog, by_name, policy), None)
            if wrong is not None:
                where = _where(path, position, when, wrong.keys)
                raise AgentDefinitionError(f"{where}: {wrong.message}", hint=wrong.hint)
    refuse_circles(
        definitions,
        paths,
        {
            it.name: [when.of for when in it.trigger.on if isinstance(when, DecisionOf)]
            for it in definitions
        },
        place=("trigger", "on"),
        what="run because of each other",
        hint="take one of them out of it",
    )


def _where(path: Path, position: int, when: When, keys: tuple[str | int, ...]) -> str:
    """The line of a part of a trigger. An author may write one trigger without the list around it."""
    file = load_yaml(path, AgentDefinitionError)
    listed = ("trigger", "on", position)
    return file.where(*(listed if listed in file.lines else listed[:2]), when.kind, *keys)


def _wrongs(
    when: When,
    definition: AgentDefinition,
    granted: Sequence[str],
    catalog: Catalog,
    agents: Mapping[str, AgentDefinition],
    policy: Policy | None,
) -> Iterator[_Wrong]:
    if isinstance(when, Cron):
        wrong = wrong_cron(when)
        if wrong is not None:
            yield _Wrong(keys=("at",), message=wrong, hint="a schedule has times that come")
    elif isinstance(when, DecisionOf):
        yield from _wrong_decision(when, definition, agents)
    elif isinstance(when, RunFailed):
        yield from _wrong_failures(definition, granted, catalog, policy)
    else:
        for place, name in enumerate(when.metrics):
            yield from _wrong_metric(("metrics", place), name, definition, granted, catalog)
    if isinstance(when, ValueChanged):
        yield from _wrong_figures(when, catalog)


def _wrong_failures(
    definition: AgentDefinition,
    granted: Sequence[str],
    catalog: Catalog,
    policy: Policy | None,
) -> Iterator[_Wrong]:
    if FAILURES not in catalog.metrics:
        yield _Wrong(
            keys=(),
            message="waits for failed runs, and Dagster's own health is not among the metrics",
            hint="set platform_metrics: true in the SemanticMetricsComponent",
        )
    else:
        yield from _wrong_metric((), FAILURES, definition, granted, catalog)
        if policy is not None and FAILURES in granted:
            yield from _narrowed_failures(definition, catalog.metrics[FAILURES], policy)


def _narrowed_failures(
    definition: AgentDefinition, metric: Metric, policy: Policy
) -> Iterator[_Wrong]:
    """What is told of a failure is told whole, each by itself, or the trigger would not know one from another."""
    hint = "who owns the policy can permit it whole; or watch the metric with value_changed"
    permit = policy.decide(definition.reader, metric)
    for name in dict.fromkeys([*FAILURE_WATCH.by, *PAST_WATCH.by]):
        dimension = Dimension(name=name, kind=DimensionKind.CATEGORICAL, models=(FAILURES,))
        if not policy.may_use(definition.reader, metric, dimension):
            why = "is not granted"
        elif isinstance(permit, Permit) and permit.mask_of(dimension) is not None:
            why = "is given only masked"
        else:
            continue
        yield _Wrong(
            keys=(),
            message=f"waits for failed runs, of which '{definition.name}' {why} {name}",
            hint=hint,
        )
    if isinstance(permit, Permit) and (permit.smallest_group or 0) > 1:
        yield _Wrong(
            keys=(),
            message=f"waits for failed runs, of which '{definition.name}' is told no group smaller than {permit.smallest_group}",
            hint=hint,
        )


def _wrong_metric(
    keys: tuple[str | int, ...],
    name: str,
    definition: AgentDefinition,
    granted: Sequence[str],
    catalog: Catalog,
) -> Iterator[_Wrong]:
    if name not in catalog.metrics:
        yield _Wrong(
            keys=keys,
            message=f"watches an unknown metric '{name}'",
            hint=did_you_mean(name, definition.metrics)
            or f"it asks for: {', '.join(definition.metrics[:20])}",
        )
    elif name not in definition.metrics:
        yield _Wrong(
            keys=keys,
            message=f"watches '{name}', which '{definition.name}' does not ask for",
            hint="add it to the agent's metrics",
        )
    elif name not in granted:
        yield _Wrong(
            keys=keys,
            message=f"watches '{name}', which '{definition.name}' is not granted",
            hint="who owns the policy can permit it; no grant, no data, and no run because of it",
        )


def _wrong_figures(when: ValueChanged, catalog: Catalog) -> Iterator[_Wrong]:
    known = {
        name
        for model in catalog.semantic_models.values()
        for element in model.elements
        for name in (element, *(f"{entity}__{element}" for entity in model.primary_entities))
    }
    for place, name in enumerate(when.by):
        if not catalog.has_dimension(name):
            yield _Wrong(
                keys=("by", place),
                message=f"groups by an unknown dimension '{name}'",
                hint=did_you_mean(name, known) or "governed-agents describe tells the dimensions",
            )
    measure = next(
        (it for it in ("at_least", "at_least_percent", "crosses", "unusual") if getattr(when, it)),
        None,
    )
    for name in when.metrics if measure else ():
        if name in catalog.metrics and not catalog.metrics[name].has_numbers:
            yield _Wrong(
                keys=(measure or "metrics",),
                message=f"measures '{name}' by {measure}, and its values are no numbers",
                hint="watch it without a measure: any change of it then counts",
            )


def _wrong_decision(
    when: DecisionOf, definition: AgentDefinition, agents: Mapping[str, AgentDefinition]
) -> Iterator[_Wrong]:
    """Another code location may have the agent; one that is called almost as one of these is a slip of the pen."""
    if when.of == definition.name:
        yield _Wrong(
            keys=("of",),
            message="runs because of its own decision, without end",
            hint="name another agent",
        )
    other = agents.get(when.of)
    if other is None:
        hint = did_you_mean(when.of, agents)
        if hint:
            yield _Wrong(keys=("of",), message=f"waits for an unknown agent '{when.of}'", hint=hint)
        return
    fields = field_names(other.output)
    for name in when.where:
        if name not in fields:
            yield _Wrong(
                keys=("where", name),
                message=f"looks at '{name}', which is no field of the output of '{other.name}'",
                hint=did_you_mean(name, fields)
                or (
                    f"its fields: {', '.join(fields)}" if fields else "it has no output of its own"
                ),
            )
