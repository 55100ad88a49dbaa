"""What comes back from the door: rows with what they are made of, or a refusal. Never one without its record."""

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from enum import StrEnum
from typing import Any

from semantic.canonical import canonical_json, canonical_value


class Reason(StrEnum):
    """Why a read was refused."""

    INVALID_QUERY = "invalid_query"
    NOT_AVAILABLE = "not_available"
    ROWS_NOT_RESTRICTABLE = "rows_not_restrictable"
    GROUPS_NOT_COUNTED = "groups_not_counted"
    RANGE_TOO_WIDE = "range_too_wide"
    GRAIN_TOO_FINE = "grain_too_fine"
    CHECKS_NOT_PASSING = "checks_not_passing"
    STALE = "stale"
    DEFINITION_CHANGED = "definition_changed"
    POLICY_NOT_CURRENT = "policy_not_current"
    NOTHING_PUBLISHED = "nothing_published"
    QUERY_FAILED = "query_failed"
    TIMED_OUT = "timed_out"
    OUT_OF_MEMORY = "out_of_memory"
    CANCELLED = "cancelled"
    BUDGET_SPENT = "budget_spent"
    TOO_MANY_AT_ONCE = "too_many_at_once"
    SOURCE_UNAVAILABLE = "source_unavailable"
    LEDGER_UNAVAILABLE = "ledger_unavailable"
    NOT_RECORDED = "not_recorded"


@dataclass(frozen=True, kw_only=True)
class Refusal:
    """No data, and why. `read_id` is None only where the ledger itself could not take the refusal."""

    reason: Reason
    message: str
    hint: str | None = None
    read_id: str | None = None

    def __str__(self) -> str:
        return f"{self.message} ({self.hint})" if self.hint else self.message


@dataclass(frozen=True, kw_only=True)
class MetricVersion:
    """One metric as it was read: the hash of its definition, the version of its data, and the days these reach over.

    `data_version` is the one that the metric's asset shows in Dagster. `version_as_read` is the version of the rows that
    this reader may see; the two are equal for a reader without row restrictions. None where it was never
    measured, because the reader came after the snapshot.
    """

    name: str
    definition_hash: str
    data_version: str
    version_as_read: str | None
    unit: str | None
    covers_from: date | None
    covers_to: date | None


@dataclass(frozen=True, kw_only=True)
class Notice:
    """What was done to an answer, or what it lacks, that its reader must know: `filtered`, `masked`, `suppressed`, `cut`,
    `stale`, `beyond_data`, `partial_period`, `period_value`.
    """

    kind: str
    text: str


@dataclass(frozen=True, kw_only=True)
class Provenance:
    """What an answer is made of."""

    read_id: str
    reader: str
    metrics: tuple[MetricVersion, ...]
    snapshot: str
    published_at: datetime
    age: timedelta
    as_of: date | None
    relations: tuple[str, ...]
    dbt_models: tuple[str, ...]
    policy_hash: str
    rules: tuple[str, ...]
    plan_hash: str
    notices: tuple[Notice, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Explanation:
    """How a query would be answered: the SELECT, the names of its parameters, and what the answer would be made of. No data."""

    sql: str
    columns: tuple[str, ...]
    parameters: tuple[str, ...]
    provenance: Provenance = field(repr=False)


@dataclass(frozen=True, kw_only=True)
class MetricAnswer:
    """Rows of a governed read and their provenance.

    `columns` are the group-by names in the order asked, then the metrics; `types` the DuckDB type of each. A cell is a str, int,
    float, Decimal, bool, date, datetime or None.
    """

    columns: tuple[str, ...]
    types: tuple[str, ...]
    rows: tuple[tuple[Any, ...], ...]
    provenance: Provenance = field(repr=False)

    @property
    def read_id(self) -> str:
        return self.provenance.read_id

    @property
    def digest(self) -> str:
        """The digest of columns and rows that the record of this read has."""
        return hashlib.sha256(canonical_rows(self.columns, self.rows)).hexdigest()

    @property
    def truncated(self) -> bool:
        return any(notice.kind == "cut" for notice in self.provenance.notices)

    def records(self) -> Iterator[dict[str, Any]]:
        """Each row as a mapping from column to cell."""
        return (dict(zip(self.columns, row, strict=True)) for row in self.rows)


def canonical_rows(columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> bytes:
    """Columns and rows as they are hashed for the record."""
    return canonical_json(
        [list(columns), [[canonical_value(cell) for cell in row] for row in rows]]
    )
