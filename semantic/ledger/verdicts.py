"""How decisions turned out, as somebody told the record later."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from typing import Any

import sqlalchemy as sa

from semantic.errors import QuestionError, did_you_mean
from semantic.ledger.erasable import Erasable, restored
from semantic.ledger.ledger import Ledger
from semantic.ledger.moment import as_recorded
from semantic.ledger.record import Record, RecordKind, uuid7
from semantic.ledger.recorded_names import newest_decisions
from semantic.ledger.schema import records


class Turned(StrEnum):
    """How a decision turned out."""

    RIGHT = "right"
    WRONG = "wrong"


class Source(StrEnum):
    """Who tells: a person, or an asset check, which may look at a later metric."""

    PERSON = "person"
    CHECK = "check"


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """How a decision turned out, whether somebody acted on it, and what that was worth, in a unit of its own; None where that is not known."""

    turned: Turned | None = None
    acted_on: bool | None = None
    value: Decimal | None = None
    unit: str | None = None
    note: str = ""

    def after(self, before: "Verdict") -> "Verdict":
        """What stands after both were told: the later one where it says something, and the earlier one where it does not."""
        has_value = self.value is not None
        return Verdict(
            turned=self.turned or before.turned,
            acted_on=before.acted_on if self.acted_on is None else self.acted_on,
            value=self.value if has_value else before.value,
            unit=self.unit if has_value else before.unit,
            note=self.note or before.note,
        )


@dataclass(frozen=True, kw_only=True)
class JudgedDecision:
    """A decision on record, what its run took, and what each source has told of it, a person last."""

    decision_id: str
    agent: str
    at: str
    run_id: str | None
    details: dict[str, Any]
    verdicts: tuple[Verdict, ...]

    @property
    def turned(self) -> Turned | None:
        """How it turned out: what a person says goes before what a check says."""
        found = [verdict.turned for verdict in self.verdicts if verdict.turned is not None]
        return found[-1] if found else None

    @property
    def is_acted_on(self) -> bool:
        return any(verdict.acted_on for verdict in self.verdicts)

    @property
    def value(self) -> tuple[Decimal, str] | None:
        """What it was worth and in which unit, "" for none; None where nobody told."""
        found = [it for it in self.verdicts if it.value is not None]
        return (found[-1].value or Decimal(0), found[-1].unit or "") if found else None

    @property
    def cost_micros(self) -> int | None:
        """What its run took of chat models, in millionths of a US dollar; None where that is not known."""
        usage = self.details.get("usage")
        found: int | None = usage["cost_micros"] if usage else None
        return found


def tell_verdict(
    ledger: Ledger, decision_id: str, verdict: Verdict, *, by: str, source: Source
) -> str:
    """Puts on record how a decision turned out. Returns the id of the record. Raises `QuestionError` where there is no such decision, and
    `LedgerUnavailable`.
    """
    decision = ledger.body(decision_id, RecordKind.DECISION)
    if decision is None or decision["reason"] is not None:
        what = "came to no decision" if decision else "is on record as no decision"
        raise QuestionError(
            f"{decision_id!r} {what}", hint=did_you_mean(decision_id, newest_decisions(ledger))
        )
    record = Record(
        record_id=str(uuid7()),
        kind=RecordKind.VERDICT,
        reader=by,
        reason=verdict.turned.value if verdict.turned else None,
        details={
            "decision": decision_id,
            "agent": decision["reader"],
            "source": source.value,
            "acted_on": verdict.acted_on,
            "value": None if verdict.value is None else format(verdict.value, "f"),
            "unit": verdict.unit,
            "note": Erasable(verdict.note),
        },
    )
    ledger.append(record)
    return record.record_id


def judged_decisions(
    ledger: Ledger, *, agents: Sequence[str] = (), since: datetime | None = None
) -> list[JudgedDecision]:
    """The decisions of these agents, or of all, since then, each with how it turned out; the oldest first."""
    asked = sa.select(
        records.c.record_id,
        records.c.reader,
        records.c.recorded_at,
        records.c.run_id,
        records.c.body,
    ).where(records.c.kind == RecordKind.DECISION.value, records.c.reason.is_(None))
    if agents:
        asked = asked.where(records.c.reader.in_(agents))
    if since is not None:
        asked = asked.where(records.c.recorded_at >= as_recorded(since))
    with ledger.reading() as connection:
        rows = connection.execute(asked.order_by(records.c.seq)).all()
        contents = restored(connection, [row.body for row in rows])
        told = _verdicts(connection, {row.record_id for row in rows})
    return [
        JudgedDecision(
            decision_id=row.record_id,
            agent=row.reader,
            at=row.recorded_at,
            run_id=row.run_id,
            details=content["details"],
            verdicts=tuple(told.get(row.record_id, ())),
        )
        for row, content in zip(rows, contents, strict=True)
    ]


def turned_out(ledger: Ledger, decisions: Iterable[str]) -> dict[str, Turned]:
    """How these decisions turned out, those of which somebody told."""
    with ledger.reading() as connection:
        told = _verdicts(connection, decisions)
    found = {
        decision: [verdict.turned for verdict in verdicts if verdict.turned is not None]
        for decision, verdicts in told.items()
    }
    return {decision: turned[-1] for decision, turned in found.items() if turned}


def _verdicts(connection: sa.Connection, decisions: Iterable[str]) -> dict[str, list[Verdict]]:
    """By decision the newest verdict of each source, that of a person last."""
    wanted = set(decisions)
    asked = (
        sa.select(records.c.body)
        .where(records.c.kind == RecordKind.VERDICT.value)
        .order_by(records.c.seq)
    )
    bodies: list[bytes] = list(connection.scalars(asked))
    newest: dict[str, dict[Source, Verdict]] = {}
    for said in restored(connection, bodies):
        details = said["details"]
        if details["decision"] in wanted:
            of_decision = newest.setdefault(details["decision"], {})
            source, told = Source(details["source"]), _verdict(said["reason"], details)
            before = of_decision.get(source)
            of_decision[source] = told.after(before) if before else told
    order = (Source.CHECK, Source.PERSON)
    return {
        decision: [found[source] for source in order if source in found]
        for decision, found in newest.items()
    }


def _verdict(turned: str | None, details: dict[str, Any]) -> Verdict:
    return Verdict(
        turned=Turned(turned) if turned else None,
        acted_on=details["acted_on"],
        value=None if details["value"] is None else Decimal(details["value"]),
        unit=details["unit"],
        note=str(details["note"]),
    )
