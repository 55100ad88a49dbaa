"""What a policy decides on a query, in words, and what another policy would decide on the queries that were really asked."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property

from semantic.asked import MAX_ROWS
from semantic.catalog import Catalog
from semantic.engine import MetricEngine
from semantic.ledger import AskedQuery
from semantic.notices import hours
from semantic.plan import Planner
from semantic.plan_request import PlanRequest
from semantic.planned import planned
from semantic.policy import ForbidRule, Mask, PermitRule, Policy, Reader
from semantic.query import MetricQuery
from semantic.refused import Refused
from semantic.resolve import Resolver
from semantic.snapshot_record import SnapshotRecord


@dataclass(frozen=True, kw_only=True)
class Decision:
    """What a policy decides on one query of one reader.

    `why` says what is refused, with the rules that decided it; `rules` are those that allowed it, and `narrowing` is what they leave
    of it, a sentence each.
    """

    is_allowed: bool
    why: str = ""
    rules: tuple[str, ...] = ()
    narrowing: tuple[str, ...] = ()

    def __str__(self) -> str:
        if not self.is_allowed:
            return f"refused: {self.why}"
        return "; ".join(["allowed", *self.narrowing])


@dataclass(frozen=True, kw_only=True)
class PolicyChange:
    """A query that was asked, and that two policies decide in two ways."""

    asked: AskedQuery
    before: Decision
    after: Decision


@dataclass(frozen=True, kw_only=True)
class Judge:
    """Decides queries under one policy, on what is published. Reads no data and writes no record."""

    policy: Policy
    catalog: Catalog
    engine: MetricEngine
    published: SnapshotRecord

    def decide(self, reader: Reader, query: MetricQuery) -> Decision:
        """The decision on a query, gates and warehouse aside."""
        try:
            request = Resolver(self, reader, query, lambda: self.published).resolve()
            planned(self._planner, request, reader)
        except Refused as refused:
            return Decision(
                is_allowed=False, why="; ".join(filter(None, (refused.message, refused.detail)))
            )
        return Decision(
            is_allowed=True,
            rules=tuple(sorted({rule for permit in request.permits for rule in permit.rules})),
            narrowing=tuple(_narrowing(request)),
        )

    @cached_property
    def _planner(self) -> Planner:
        return Planner(self.catalog, self.engine)

    def speaking_of(self, reader: Reader, metric: str) -> Iterator[tuple[str, str]]:
        """Every rule that speaks of this reader and metric, as its kind and its name."""
        for rule in self.policy.rules_for(reader.name, self.catalog.metrics[metric]):
            kind = {PermitRule: "permit", ForbidRule: "forbid"}.get(type(rule), "restrict")
            yield kind, rule.name


def policy_changes(
    before: Judge, after: Judge, asked: Iterable[AskedQuery], reader: Callable[[AskedQuery], Reader]
) -> Iterator[PolicyChange]:
    """Of these queries, the ones that `after` decides in another way than `before`."""
    for item in asked:
        one, other = (judge.decide(reader(item), item.query) for judge in (before, after))
        if (one.is_allowed, one.narrowing) != (other.is_allowed, other.narrowing):
            yield PolicyChange(asked=item, before=one, after=other)


def _narrowing(request: PlanRequest) -> Iterator[str]:
    for item in request.rows:
        yield f"only rows whose {item.element} is {', '.join(map(str, item.values)) or 'nothing'}"
    for named, mask in request.masked:
        yield f"{named.column} as {'pseudonyms' if isinstance(mask, Mask) else mask}"
    for column in request.dropped:
        yield f"without {column}"
    if request.smallest_group:
        yield f"groups of at least {request.smallest_group}"
    if request.max_rows < MAX_ROWS:
        yield f"at most {request.max_rows:,} rows"
    ages = {permit.max_age for permit in request.permits if permit.max_age}
    if ages:
        yield f"data of at most {hours(min(ages))}"
