"""Whether a policy speaks of what there is. A forbid or a mask whose dimension is misspelt would bar nothing."""

from collections.abc import Iterable, Iterator, Mapping

from semantic.budget_rule import Per
from semantic.catalog import Catalog
from semantic.engine import MetricEngine
from semantic.errors import MetricCompileError, PolicyError, did_you_mean
from semantic.metric import METRIC_TIME, DimensionKind
from semantic.pattern import is_match
from semantic.policy import (
    PermitRule,
    Policy,
    RestrictRule,
    Rule,
    attribute_of,
    names,
)


def check_policy(policy: Policy, catalog: Catalog) -> None:
    """Raises `PolicyError` where a rule names a metric, dimension, element or attribute that does not exist."""
    for message, asked, known in _unknown_names(policy, catalog):
        raise PolicyError(
            f"{policy.source}: {message}",
            hint=did_you_mean(asked, known) or f"known: {', '.join(sorted(known)[:20])}",
        )


def _unknown_names(policy: Policy, catalog: Catalog) -> Iterator[tuple[str, str, list[str]]]:
    """What to say of each name that nothing bears, the name, and the names that there are."""
    metrics = list(catalog.metrics)
    elements = sorted(
        {name for model in catalog.semantic_models.values() for name in model.elements}
    )
    entities = {
        item.name
        for model in catalog.semantic_models.values()
        for item in model.elements.values()
        if item.kind is DimensionKind.ENTITY
    } | {entity for model in catalog.semantic_models.values() for entity in model.primary_entities}
    for rule in policy.rules:
        exempt = rule.exempt if isinstance(rule, RestrictRule) else frozenset()
        for name in sorted(rule.metrics.names):
            if not any(is_match(metric, name) for metric in metrics):
                yield f"rule '{rule.name}' names {_unknown_metric(name)}", name, metrics
        for name in sorted(exempt - set(metrics)):
            yield f"rule '{rule.name}' names an unknown metric '{name}'", name, metrics
        yield from _unknown_in_selector(rule, catalog)
        for name in sorted(_dimensions_named(rule)):
            wrong = _wrong_part(name, elements, entities)
            if wrong is not None:
                yield (
                    f"rule '{rule.name}' names an unknown dimension '{name}'",
                    wrong,
                    sorted({*elements, METRIC_TIME}),
                )
        if isinstance(rule, RestrictRule):
            yield from _unknown_in_rows(rule, policy, elements)
    yield from _unknown_in_budgets(policy, metrics)


def _unknown_in_budgets(policy: Policy, metrics: list[str]) -> Iterator[tuple[str, str, list[str]]]:
    for budget in policy.budgets:
        for name in sorted(budget.metrics):
            if not any(is_match(metric, name) for metric in metrics):
                yield f"budget '{budget.name}' names {_unknown_metric(name)}", name, metrics
        if budget.per is Per.TEAM and not any("team" in found for found in policy.readers.values()):
            attributes = sorted({name for found in policy.readers.values() for name in found})
            yield (
                f"budget '{budget.name}' is per team, and no reader has the attribute 'team'",
                "team",
                attributes,
            )


def _unknown_metric(name: str) -> str:
    what = "metrics, and none is called" if "*" in name else "an unknown metric"
    return f"{what} '{name}'"


def _dimensions_named(rule: Rule) -> Iterable[str]:
    return (
        rule.masks
        if isinstance(rule, RestrictRule)
        else frozenset().union(*rule.dimensions.values())
    )


def _unknown_in_selector(rule: Rule, catalog: Catalog) -> Iterator[tuple[str, str, list[str]]]:
    metrics = catalog.metrics.values()
    borne = {
        "tag": (rule.metrics.tags, {tag for item in metrics for tag in item.tags}),
        "tier": (rule.metrics.tiers, {item.tier for item in metrics if item.tier}),
        "owner": (rule.metrics.owners, {item.owner for item in metrics if item.owner}),
        "group": (rule.metrics.groups, {item.group for item in metrics if item.group}),
    }
    for kind, (named, known) in borne.items():
        for name in sorted(named - known):
            yield (
                f"rule '{rule.name}' names a {kind} that no metric has: '{name}'",
                name,
                sorted(known),
            )


def _unknown_in_rows(
    rule: RestrictRule, policy: Policy, elements: list[str]
) -> Iterator[tuple[str, str, list[str]]]:
    for element, values in rule.rows.items():
        if element not in elements:
            yield (
                f"rule '{rule.name}' restricts rows by an unknown element '{element}'",
                element,
                elements,
            )
        for value in values:
            attribute = attribute_of(value)
            for reader in _named_readers(rule, policy) if attribute is not None else ():
                known = sorted(policy.readers.get(reader, {}))
                if attribute not in known:
                    yield (
                        f"rule '{rule.name}' needs the attribute '{attribute}' of reader '{reader}'",
                        str(attribute),
                        known,
                    )


def _named_readers(rule: RestrictRule, policy: Policy) -> list[str]:
    """The readers that a rule is known to speak of: those it names, and those listed that its patterns match."""
    listed = {
        name for name in policy.readers if any(is_match(name, other) for other in rule.readers)
    }
    return sorted(listed | {name for name in rule.readers if "*" not in name})


def _wrong_part(name: str, elements: Iterable[str], entities: Iterable[str]) -> str | None:
    """The first part of a dimension's name that nothing is called by, or None. A pattern is right where it matches something."""
    known = {*elements, METRIC_TIME}
    *path, last = name.split("__")
    if "*" in name:
        joined = {f"{entity}__{element}" for entity in entities for element in known}
        is_path = len(path) > 1
        return None if is_path or any(is_match(item, name) for item in known | joined) else name
    return next((part for part in path if part not in set(entities)), None) or (
        None if last in known else last
    )


def check_reach(policy: Policy, catalog: Catalog, engine: MetricEngine) -> None:
    """Raises `PolicyError` where a forbid or a mask names a dimension that no metric it speaks of has: it would bar nothing.

    Asks the engine, which knows by which paths a dimension is reached. A metric that cannot be compiled is passed over.
    """
    for rule in policy.rules:
        for name in sorted(_barring(rule)):
            legal = list(_legal_dimensions(rule, catalog, engine))
            if legal and not any(names(name, dimension) for dimension in legal):
                raise PolicyError(
                    f"{policy.source}: rule '{rule.name}' bars '{name}', and none of its metrics has such a dimension",
                    hint=did_you_mean(name, legal)
                    or f"known: {', '.join(sorted(set(legal))[:20])}",
                )


def _barring(rule: Rule) -> Iterable[str]:
    return () if isinstance(rule, PermitRule) else _dimensions_named(rule)


def _legal_dimensions(rule: Rule, catalog: Catalog, engine: MetricEngine) -> Iterator[str]:
    for metric in catalog.metrics.values():
        if rule.metrics.matches(metric):
            try:
                found: Mapping[str, object] = engine.dimensions([metric.name])
            except MetricCompileError:
                continue
            yield from found
