"""What was taken back: metrics that were wrong for a period, the reads that touched it, and the decisions that rest on these."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Any

import sqlalchemy as sa

from semantic.ledger.erasable import Erasable, restored
from semantic.ledger.ledger import Ledger
from semantic.ledger.record import Record, RecordKind, uuid7
from semantic.ledger.run_decisions import RunDecision
from semantic.ledger.schema import records


@dataclass(frozen=True, kw_only=True)
class Wrong:
    """What was wrong: metrics, for the days of the data from `first` to `last`, both included; at one version of the data, or at any."""

    metrics: tuple[str, ...]
    first: date
    last: date
    version: str | None = None


@dataclass(frozen=True, kw_only=True)
class Recall:
    """A recall on record: what was wrong and why, who said so and when, the reads that touched it and the decisions that it takes back.

    `versions` are by metric those data versions that were read. `is_run_again` says that agents of which the decision that stands is taken back are to run
    again when the data is repaired.
    """

    recall_id: str
    at: str
    by: str
    wrong: Wrong
    reason: str
    reads: tuple[str, ...]
    decisions: tuple[str, ...]
    versions: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    is_run_again: bool = False

    def is_repaired(self, now: Mapping[str, str]) -> bool:
        """Whether each of the metrics has another data version than any that was read while it was wrong. `now` are the versions that stand."""
        return all(
            metric in now and now[metric] not in versions
            for metric, versions in self.versions.items()
        )

    def is_of(self, metric: str, version: str, first: date | None, last: date | None) -> bool:
        """Whether data of a metric at a version, covering these days, is what was wrong: it may be read again before it is repaired."""
        return (
            version in self.versions.get(metric, ())
            and (first is None or first <= self.wrong.last)
            and (last is None or last >= self.wrong.first)
        )

    def concerns(self, decision: RunDecision) -> bool:
        """Whether a decision is taken back by it, or rests on what is: it may have been made while that was."""
        return (
            decision.decision_id in self.decisions
            or not set(self.reads).isdisjoint((*decision.reads, *decision.remembered))
            or not set(self.decisions).isdisjoint(decision.told)
        )


def record_recall(
    ledger: Ledger,
    wrong: Wrong,
    *,
    by: str,
    reason: str,
    reads: Collection[str],
    decisions: Collection[str],
    versions: Mapping[str, Collection[str]] | None = None,
    run_again: bool = False,
) -> str:
    """Puts a recall on record. Returns its id. Raises `LedgerUnavailable`."""
    record = Record(
        record_id=str(uuid7()),
        kind=RecordKind.RECALL,
        reader=by,
        details={
            "metrics": list(wrong.metrics),
            "from": wrong.first.isoformat(),
            "to": wrong.last.isoformat(),
            "version": wrong.version,
            "reason": Erasable(reason),
            "reads": sorted(reads),
            "decisions": sorted(decisions),
            "versions": {name: sorted(some) for name, some in (versions or {}).items()},
            "run_again": run_again,
        },
    )
    ledger.append(record)
    return record.record_id


def recalls(ledger: Ledger) -> list[Recall]:
    """Every recall on record, in the order in which they came."""
    asked = (
        sa.select(records.c.record_id, records.c.recorded_at, records.c.reader, records.c.body)
        .where(records.c.kind == RecordKind.RECALL.value)
        .order_by(records.c.seq)
    )
    with ledger.reading() as connection:
        rows = connection.execute(asked).all()
        contents = restored(connection, [row.body for row in rows])
    return [
        _recall(row.record_id, row.recorded_at, row.reader, content["details"])
        for row, content in zip(rows, contents, strict=True)
    ]


def _recall(recall_id: str, at: str, by: str, details: Mapping[str, Any]) -> Recall:
    return Recall(
        recall_id=recall_id,
        at=at,
        by=by,
        wrong=Wrong(
            metrics=tuple(details["metrics"]),
            first=date.fromisoformat(details["from"]),
            last=date.fromisoformat(details["to"]),
            version=details["version"],
        ),
        reason=str(details["reason"]),
        reads=tuple(details["reads"]),
        decisions=tuple(details["decisions"]),
        versions={name: tuple(some) for name, some in details.get("versions", {}).items()},
        is_run_again=bool(details.get("run_again")),
    )
