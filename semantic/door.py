"""What every read goes through, and what it has decided before."""

from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from semantic.catalog import Catalog
from semantic.engine import MetricEngine
from semantic.ledger import Ledger, Touched
from semantic.plan import Planner, QueryPlan
from semantic.plan_request import PlanRequest
from semantic.policy import Policy, Reader
from semantic.recent import Recent
from semantic.result_cache import ResultCache

# The policy, who asks, what exactly, whether for values only, and of which snapshot: all that a decision comes from.
DecisionKey = tuple[str, Reader, str, bool, str]


@dataclass(frozen=True, kw_only=True)
class Decided:
    """What a query comes to under a policy: names that are looked up, and a plan. `limit` is how many rows it asks for, `touches` what it
    names and reads.
    """

    request: PlanRequest
    plan: QueryPlan
    limit: int | None
    touches: Touched


class Door(Protocol):
    """What every read goes through."""

    catalog: Catalog
    policy: Policy
    ledger: Ledger
    mask_key: str
    results: ResultCache | None
    decided: Recent[DecisionKey, Decided]

    @property
    def engine(self) -> MetricEngine: ...

    @property
    def planner(self) -> Planner: ...

    def now(self) -> datetime: ...
