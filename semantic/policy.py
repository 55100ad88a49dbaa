"""Who may read what. Pure: a policy, a reader and the names of a query give a `Permit` or a denial.

The algebra is that of three kinds of rule, and the order of rules never matters:

* nothing is allowed unless a `PermitRule` allows it (default deny); more permits only ever allow more;
* a `ForbidRule` that matches beats every permit;
* every `RestrictRule` that matches holds: rows, masks, caps and ages add up to the strictest.

A rule that cannot be evaluated for a reader (an attribute it lacks) denies.
"""

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from enum import StrEnum

from semantic.asked import MAX_ROWS
from semantic.budget_rule import BudgetRule
from semantic.canonical import canonical_json
from semantic.generalisation import Generalisation, fits
from semantic.ledger import BreakerSettings
from semantic.metric import GRAINS, METRIC_TIME, Dimension, Metric
from semantic.pattern import is_match
from semantic.tool_rule import ToolRule, ToolVerdict, judge_call

Scalar = str | int | bool
# The reader that measures metrics. No agent and no person goes by this name.
REFRESH = "refresh"


class Clause(StrEnum):
    """Where a query names a dimension."""

    GROUP_BY = "group_by"
    FILTERS = "filters"
    ORDER_BY = "order_by"


Dimensions = Mapping[Clause, frozenset[str]]


def everywhere(*patterns: str) -> Dimensions:
    """The same dimensions in every clause."""
    return dict.fromkeys(Clause, frozenset(patterns))


class Mask(StrEnum):
    """What is done to a masked dimension: `hash` gives each value a keyed pseudonym, `drop` answers as if the query had not
    named it.
    """

    HASH = "hash"
    DROP = "drop"


Masking = Mask | Generalisation


@dataclass(frozen=True, kw_only=True)
class Use:
    """A dimension, and the clause of the query that names it."""

    dimension: Dimension
    clause: Clause


@dataclass(frozen=True, kw_only=True)
class Reader:
    """Who asks. `asks` is what its own definition asks for; None stands for everything it is granted.

    `acting_for` names the reader on whose behalf it reads: it then has only what both have, under the restrictions of both.
    """

    name: str
    asks: frozenset[str] | None = None
    acting_for: str | None = None

    @property
    def names(self) -> tuple[str, ...]:
        """Its own name, and that of the one it reads for where that is another."""
        named = (self.name,) if self.acting_for is None else (self.name, self.acting_for)
        return tuple(dict.fromkeys(named))


@dataclass(frozen=True, kw_only=True)
class Selector:
    """Which metrics a rule speaks of: any that one of `names` (with `*`), `tags`, `tiers`, `owners` or `groups` matches."""

    names: frozenset[str] = frozenset()
    groups: frozenset[str] = frozenset()
    tags: frozenset[str] = frozenset()
    tiers: frozenset[str] = frozenset()
    owners: frozenset[str] = frozenset()

    def matches(self, metric: Metric) -> bool:
        return (
            any(is_match(metric.name, pattern) for pattern in self.names)
            or bool(self.tags & set(metric.tags))
            or metric.tier in self.tiers
            or metric.owner in self.owners
            or metric.group in self.groups
        )


@dataclass(frozen=True, kw_only=True)
class PermitRule:
    """Lets readers read metrics, by clause with the dimensions named. `*` names all that are not personal."""

    name: str
    readers: frozenset[str]
    metrics: Selector
    dimensions: Dimensions = field(default_factory=lambda: everywhere("*"))


@dataclass(frozen=True, kw_only=True)
class ForbidRule:
    """Bars readers from metrics, or only from some dimensions in some clauses where `dimensions` is not empty. What names the end of a
    dimension's name means all that end so.
    """

    name: str
    readers: frozenset[str]
    metrics: Selector
    dimensions: Dimensions = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class RestrictRule:
    """Narrows what readers see of metrics.

    `rows` maps an element of the semantic models (`carrier`) to the values that are visible; a value `{attribute}` stands
    for that attribute of the reader. `exempt` names the metrics that are read whole because they have no such element.
    `smallest_group` is the number of rows below which a group is not told. `max_days` is the widest time range, and makes one
    necessary; `finest_grain` the finest grain of any time that is named. `max_age` is the oldest data that may be read, as time
    since it was published.
    """

    name: str
    readers: frozenset[str]
    metrics: Selector
    rows: Mapping[str, tuple[Scalar, ...]] = field(default_factory=dict)
    exempt: frozenset[str] = frozenset()
    masks: Mapping[str, Masking] = field(default_factory=dict)
    max_rows: int | None = None
    smallest_group: int | None = None
    max_days: int | None = None
    finest_grain: str | None = None
    max_age: timedelta | None = None


Rule = PermitRule | ForbidRule | RestrictRule


def names(pattern: str, dimension: str) -> bool:
    """Whether a pattern means a dimension, by its whole name or by the end of it: `home_city` and `driver__home_city` both mean
    `vehicle__driver__home_city`. For rules that take away, so that none fails to because of a path.
    """
    return any(
        is_match("__".join(path), pattern)
        for parts in [dimension.split("__")]
        for path in (parts[start:] for start in range(len(parts)))
    )


def attribute_of(value: Scalar) -> str | None:
    """The attribute of a reader that a value in `rows` stands for, `{carrier}` for `carrier`; None for a plain value."""
    if isinstance(value, str) and value.startswith("{") and value.endswith("}"):
        return value[1:-1]
    return None


@dataclass(frozen=True, kw_only=True)
class RowRestriction:
    """Only the rows in which `element` has one of `values` exist for this reader."""

    element: str
    values: tuple[Scalar, ...]


@dataclass(frozen=True, kw_only=True)
class Permit:
    """What a reader may have of one metric. The answer to its query is built from this and nothing else."""

    metric: str
    rows: tuple[RowRestriction, ...]
    masks: Mapping[str, Masking]
    max_rows: int
    max_age: timedelta | None
    rules: tuple[str, ...]
    smallest_group: int | None = None
    max_days: int | None = None
    finest_grain: str | None = None

    def mask_of(self, dimension: Dimension) -> Masking | None:
        """What is done to a dimension. It is dropped where several rules mask it in several ways, or in one that it does not have."""
        found = {mask for pattern, mask in self.masks.items() if names(pattern, dimension.name)}
        if not found:
            return None
        mask = found.pop()
        if found or not (isinstance(mask, Mask) or fits(mask, dimension)):
            return Mask.DROP
        return mask

    @property
    def rows_key(self) -> str:
        """A name for the rows that are visible: the same for readers who see the same rows, "" where all are."""
        if not self.rows:
            return ""
        restrictions = [[item.element, list(item.values)] for item in self.rows]
        return hashlib.sha256(canonical_json(restrictions)).hexdigest()[:16]


@dataclass(frozen=True, kw_only=True)
class Denial:
    """No permit, and the rules that decided it. `what` is what was asked; why is for the record, not for the reader."""

    what: str
    rules: tuple[str, ...]
    why: str


@dataclass(frozen=True, kw_only=True)
class Policy:
    """The central rules, the attributes of the readers they speak of, and what these may spend. Loaded from one file that one team
    owns.
    """

    readers: Mapping[str, Mapping[str, Scalar | tuple[Scalar, ...]]]
    rules: tuple[Rule, ...]
    hash: str
    source: str = "policy.yaml"
    budgets: tuple[BudgetRule, ...] = ()
    tools: tuple[ToolRule, ...] = ()
    breaker: BreakerSettings = field(default_factory=BreakerSettings)

    def decide(self, reader: Reader, metric: Metric, uses: Iterable[Use] = ()) -> Permit | Denial:
        """What `reader` may have of `metric` when its query names these dimensions."""
        if reader.asks is not None and metric.name not in reader.asks:
            return Denial(what=metric.name, rules=(), why=f"'{reader.name}' does not ask for it")
        wanted = tuple(uses)
        own = self._decide_one(reader.name, metric, wanted)
        if reader.acting_for is None or isinstance(own, Denial):
            return own
        other = self._decide_one(reader.acting_for, metric, wanted)
        return other if isinstance(other, Denial) else _both(own, other)

    def rules_for(self, reader: str, metric: Metric) -> list[Rule]:
        """The rules that speak of this reader and this metric."""
        return [
            rule
            for rule in self.rules
            if rule.metrics.matches(metric) and any(is_match(reader, name) for name in rule.readers)
        ]

    def team_of(self, reader: Reader) -> str | None:
        """The team that a reader belongs to, by its attribute `team`, or None where it has none."""
        found = self.readers.get(reader.name, {}).get("team")
        return found if isinstance(found, str) else None

    def may_call(self, reader: Reader, tool: str) -> ToolVerdict:
        """Whether the reader, and the one it reads for, may call a tool that does not read metrics."""
        return judge_call(self.tools, reader.names, tool)

    def is_readable(self, reader: Reader, metric: Metric) -> bool:
        """Whether the reader may read this metric at all."""
        return isinstance(self.decide(reader, metric), Permit)

    def may_use(self, reader: Reader, metric: Metric, dimension: Dimension) -> bool:
        """Whether the reader may group a query of this metric by this dimension."""
        use = Use(dimension=dimension, clause=Clause.GROUP_BY)
        return isinstance(self.decide(reader, metric, (use,)), Permit)

    def _decide_one(self, reader: str, metric: Metric, uses: tuple[Use, ...]) -> Permit | Denial:
        matching = self.rules_for(reader, metric)
        for rule in matching:
            barred = _barred(rule, metric, uses) if isinstance(rule, ForbidRule) else None
            if barred is not None:
                return Denial(what=barred, rules=(rule.name,), why="a rule forbids it")
        permits = [rule for rule in matching if isinstance(rule, PermitRule)]
        if not permits:
            return Denial(what=metric.name, rules=(), why="no rule permits it")
        for use in uses:
            if not any(_allows(rule, use) for rule in permits):
                why = f"no rule permits this dimension in {use.clause}"
                return Denial(what=use.dimension.name, rules=(), why=why)
        restricts = [rule for rule in matching if isinstance(rule, RestrictRule)]
        return self._restricted(reader, metric, permits, restricts)

    def _restricted(
        self,
        reader: str,
        metric: Metric,
        permits: list[PermitRule],
        restricts: list[RestrictRule],
    ) -> Permit | Denial:
        rows: dict[str, tuple[Scalar, ...]] = {}
        attributes = self.readers.get(reader, {})
        for rule in restricts:
            for element, values in rule.rows.items():
                if metric.name in rule.exempt:
                    continue
                try:
                    resolved = _resolve(values, attributes)
                except LookupError as error:
                    return Denial(
                        what=metric.name,
                        rules=(rule.name,),
                        why=f"'{reader}' has no attribute {error}",
                    )
                kept = rows.get(element)
                rows[element] = resolved if kept is None else _common(kept, resolved)
        ages = [rule.max_age for rule in restricts if rule.max_age is not None]
        return Permit(
            metric=metric.name,
            rows=tuple(
                RowRestriction(element=element, values=_distinct(rows[element]))
                for element in sorted(rows)
            ),
            masks=_masks_of(metric, _all_masks(rule.masks for rule in restricts)),
            max_rows=_least(MAX_ROWS, *(rule.max_rows for rule in restricts)) or MAX_ROWS,
            smallest_group=_most(*(rule.smallest_group for rule in restricts)),
            max_days=_least(*(rule.max_days for rule in restricts)),
            finest_grain=_coarsest(rule.finest_grain for rule in restricts),
            max_age=min(ages, default=None),
            rules=tuple(
                sorted({item.name for item in permits} | {item.name for item in restricts})
            ),
        )


def _both(own: Permit, other: Permit) -> Permit:
    """What two readers both have, under the restrictions of both."""
    rows = {item.element: item.values for item in own.rows}
    for item in other.rows:
        kept = rows.get(item.element)
        rows[item.element] = item.values if kept is None else _common(kept, item.values)
    ages = [age for age in (own.max_age, other.max_age) if age is not None]
    return Permit(
        metric=own.metric,
        rows=tuple(RowRestriction(element=key, values=rows[key]) for key in sorted(rows)),
        masks=_all_masks((own.masks, other.masks)),
        max_rows=min(own.max_rows, other.max_rows),
        smallest_group=_most(own.smallest_group, other.smallest_group),
        max_days=_least(own.max_days, other.max_days),
        finest_grain=_coarsest((own.finest_grain, other.finest_grain)),
        max_age=min(ages, default=None),
        rules=tuple(sorted({*own.rules, *other.rules})),
    )


def _all_masks(several: Iterable[Mapping[str, Masking]]) -> dict[str, Masking]:
    """Every mask by its pattern. What is masked in two ways is dropped."""
    found: dict[str, Masking] = {}
    for masks in several:
        for pattern, mask in masks.items():
            found[pattern] = mask if found.get(pattern, mask) == mask else Mask.DROP
    return found


def _masks_of(metric: Metric, masks: Mapping[str, Masking]) -> dict[str, Masking]:
    """With the masks of the metric's time under each of its names: `metric_time` tells what its own time does."""
    times = metric.also_called(METRIC_TIME)
    under_another_name = [
        {name: mask}
        for pattern, mask in masks.items()
        if any(names(pattern, time) for time in times)
        for name in ({METRIC_TIME} if not names(pattern, METRIC_TIME) else times - {METRIC_TIME})
    ]
    return _all_masks((masks, *under_another_name))


def _least(*values: int | None) -> int | None:
    return min((value for value in values if value is not None), default=None)


def _most(*values: int | None) -> int | None:
    return max((value for value in values if value is not None), default=None)


def _coarsest(grains: Iterable[str | None]) -> str | None:
    return max((grain for grain in grains if grain), key=GRAINS.index, default=None)


def _allows(rule: PermitRule, use: Use) -> bool:
    """Personal dimensions are allowed only by their exact name; `metric_time` comes with every permit."""
    dimension, patterns = use.dimension, rule.dimensions.get(use.clause, frozenset())
    if dimension.name in patterns or dimension.name == METRIC_TIME:
        return True
    return not dimension.pii and any(is_match(dimension.name, pattern) for pattern in patterns)


def _barred(rule: ForbidRule, metric: Metric, uses: tuple[Use, ...]) -> str | None:
    """What of a query the rule forbids: the metric, or the first of these dimensions that it names."""
    if not rule.dimensions:
        return metric.name
    return next(
        (
            use.dimension.name
            for use in uses
            if any(
                names(pattern, name)
                for pattern in rule.dimensions.get(use.clause, ())
                for name in metric.also_called(use.dimension.name)
            )
        ),
        None,
    )


def _common(left: tuple[Scalar, ...], right: tuple[Scalar, ...]) -> tuple[Scalar, ...]:
    """The values of both. Told apart by their text: to Python, True is 1."""
    known = set(map(repr, right))
    return tuple(value for value in left if repr(value) in known)


def _distinct(values: tuple[Scalar, ...]) -> tuple[Scalar, ...]:
    """Each value once, in an order that does not depend on the one in which they came."""
    by_text = {repr(value): value for value in values}
    return tuple(by_text[text] for text in sorted(by_text))


def _resolve(
    values: tuple[Scalar, ...], attributes: Mapping[str, Scalar | tuple[Scalar, ...]]
) -> tuple[Scalar, ...]:
    resolved: list[Scalar] = []
    for value in values:
        name = attribute_of(value)
        if name is None:
            resolved.append(value)
        else:
            attribute = attributes[name]
            resolved.extend(attribute if isinstance(attribute, tuple) else (attribute,))
    return tuple(resolved)
