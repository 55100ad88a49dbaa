"""How runs, agents, metrics and tables are called in OpenLineage events."""

from dataclasses import dataclass
from uuid import UUID

from semantic.ledger import derived_id
from semantic.ledger.run_activity import ReaderRun

NAMESPACE = "governed_agents"


@dataclass(frozen=True, kw_only=True)
class Names:
    """`namespace` is that of jobs, metrics and decisions; `tables` that of the warehouse, as other integrations of it call it."""

    tables: str
    namespace: str = NAMESPACE

    def metric(self, name: str) -> str:
        """By the key of its asset in Dagster."""
        return f"metrics/{name}"

    def decision(self, agent: str) -> str:
        """By the key of the agent's asset in Dagster."""
        return f"agents/{agent}"

    def table(self, relation: str) -> str:
        """`"flights"."main"."fct_flights"` as flights.main.fct_flights."""
        return relation.replace('"', "")


def run_id_of(run: ReaderRun) -> str:
    """The id of what one reader did in one run: several agents may decide in one run of Dagster."""
    return derived_id("openlineage", [run.reader, run.run_id or run.read_id])


def as_uuid(text: str | None) -> str | None:
    """A run id as OpenLineage takes it; None where it is no UUID."""
    try:
        return str(UUID(text or ""))
    except ValueError:
        return None
