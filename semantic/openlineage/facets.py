"""What OpenLineage has no words for: who read, under which policy, what was refused, and which reads these were. Each has its JSON schema in `schemas/`."""

from importlib.metadata import version
from importlib.resources import files

import attr
from openlineage.client.generated.base import InputDatasetFacet, RunFacet

FACETS_VERSION = "1-0-0"
SCHEMA_FOLDER = files("semantic.openlineage") / "schemas" / FACETS_VERSION
PRODUCER = f"urn:dagster-governed-agents:{version('dagster-governed-agents')}"
# The keys under which the facets stand.
RUN = "governedAgents_run"
READS = "governedAgents_reads"


def _schema_url(name: str) -> str:
    return f"urn:dagster-governed-agents:openlineage:{FACETS_VERSION}:{name}"


@attr.define
class RefusedMetric:
    """That a metric was refused, by a reason of a closed set. `metric` is None where no metric has the name that was asked for."""

    readId: str  # noqa: N815
    refusedAt: str  # noqa: N815
    reason: str
    metric: str | None = None


@attr.define
class GovernedAgentsRunFacet(RunFacet):
    """Who ran, for whom, under which policies, with which definition; what was refused, and what the record knows the decision by."""

    reader: str
    actingFor: str | None = None  # noqa: N815
    team: str | None = None
    dagsterRunId: str | None = None  # noqa: N815
    decisionId: str | None = None  # noqa: N815
    policyHashes: list[str] = attr.field(factory=list)  # noqa: N815
    refusals: list[RefusedMetric] = attr.field(factory=list)

    @staticmethod
    def _get_schema() -> str:
        return _schema_url("GovernedAgentsRunFacet")


@attr.define
class GovernedRead:
    """One read of a metric, as it is on record."""

    readId: str  # noqa: N815
    readAt: str  # noqa: N815
    dataVersion: str | None = None  # noqa: N815
    versionAsRead: str | None = None  # noqa: N815
    definitionHash: str | None = None  # noqa: N815
    snapshot: str | None = None
    groupBy: list[str] = attr.field(factory=list)  # noqa: N815
    coversFrom: str | None = None  # noqa: N815
    coversTo: str | None = None  # noqa: N815
    rows: int | None = None


@attr.define
class GovernedAgentsReadsInputDatasetFacet(InputDatasetFacet):
    """The reads of a metric that a run was given data by."""

    reads: list[GovernedRead]

    @staticmethod
    def _get_schema() -> str:
        return _schema_url("GovernedAgentsReadsInputDatasetFacet")


def facet_schemas() -> dict[str, str]:
    """By the name of each facet, its JSON schema as published."""
    found = sorted(SCHEMA_FOLDER.iterdir(), key=lambda item: item.name)
    return {item.name.removesuffix(".json"): item.read_text(encoding="utf-8") for item in found}
