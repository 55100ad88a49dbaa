"""A read that may be done, before anything of it is on record."""

from dataclasses import dataclass

from semantic.answer import MetricVersion
from semantic.ledger import Touched
from semantic.open_snapshot import OpenSnapshot
from semantic.plan import QueryPlan
from semantic.plan_request import PlanRequest
from semantic.snapshot_record import SnapshotRecord


@dataclass(frozen=True, kw_only=True)
class Prepared:
    """A read that may be done."""

    request: PlanRequest
    plan: QueryPlan
    snapshot: SnapshotRecord
    data: OpenSnapshot
    limit: int
    versions: tuple[MetricVersion, ...]
    touches: Touched

    @property
    def rules(self) -> list[str]:
        """The rules of the policy that it rests on, by name."""
        return sorted({rule for permit in self.request.permits for rule in permit.rules})
