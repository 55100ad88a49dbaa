"""What an auditor asks for of an agent: what it read and was refused, what it decided, by which policies and definitions, and who had a say in it."""

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from semantic.ledger import Ledger, Read, ReadQuestion, RecordKind, find_reads
from semantic.ledger.chain import content_of
from semantic.ledger.erasable import KeptValue, kept_values
from semantic.ledger.moment import as_recorded
from semantic.ledger.newest import AGENT, METRICS
from semantic.ledger.schema import records

# What people put on record of what agents decided.
_OF_PEOPLE = (
    RecordKind.APPROVAL,
    RecordKind.VERDICT,
    RecordKind.ACKNOWLEDGEMENT,
    RecordKind.RECALL,
)


@dataclass(frozen=True, kw_only=True)
class OnRecord:
    """A record of any kind: what it says, and of its erasable values those that were not erased, each with the key of its digest."""

    record_id: str
    kind: RecordKind
    at: str
    by: str | None
    reason: str | None
    run_id: str | None
    details: Mapping[str, Any]
    kept: tuple[KeptValue, ...]

    def text(self, name: str) -> str | None:
        """An erasable text of it, None where that was erased or never was."""
        marked = self.details.get(name)
        digest = marked.get("erasable") if isinstance(marked, Mapping) else None
        found = next((it.value for it in self.kept if it.digest == digest), None)
        return None if found is None else str(json.loads(found))


@dataclass(frozen=True, kw_only=True)
class Evidence:
    """Everything of one agent `since` a moment, included, `until` another, not included; both UTC.

    `policies` are those that its reads went by, and those published meanwhile; `definitions` those of the agent and of the metrics, with those that stood
    before. `people` are approvals, verdicts, acknowledgements and recalls that concern what it decided.
    """

    agent: str
    since: datetime
    until: datetime
    reads: Sequence[Read]
    decisions: Sequence[OnRecord]
    policies: Sequence[OnRecord]
    definitions: Sequence[OnRecord]
    people: Sequence[OnRecord]

    @property
    def record_ids(self) -> frozenset[str]:
        others = (*self.decisions, *self.policies, *self.definitions, *self.people)
        return frozenset({it.read_id for it in self.reads} | {it.record_id for it in others})


def collect_evidence(ledger: Ledger, agent: str, *, since: datetime, until: datetime) -> Evidence:
    """What is on record of an agent in a time. Raises `LedgerUnavailable`, and `QuestionError` where the time is none."""
    question = ReadQuestion(agent=agent, since=since, until=until)
    reads = sorted(find_reads(ledger, question), key=lambda it: (it.at, it.seq, it.metric))
    first, end = as_recorded(since), as_recorded(until)
    within = sa.and_(records.c.recorded_at >= first, records.c.recorded_at < end)
    decisions = _records(ledger, [RecordKind.DECISION], within, records.c.reader == agent)
    used = {it.policy_hash for it in reads if it.policy_hash}
    policies = _records(
        ledger,
        [RecordKind.POLICY],
        sa.or_(records.c.reason.in_(used), within),
        records.c.recorded_at < end,
    )
    of_agent = sa.and_(records.c.reason == AGENT, records.c.reader == agent)
    definitions = [
        *_with_the_one_before(ledger, of_agent, first, end),
        *_with_the_one_before(ledger, records.c.reason == METRICS, first, end),
    ]
    people = _of_people(ledger, agent, {it.read_id for it in reads}, decisions)
    return Evidence(
        agent=agent,
        since=since,
        until=until,
        reads=reads,
        decisions=decisions,
        policies=policies,
        definitions=definitions,
        people=people,
    )


def _with_the_one_before(
    ledger: Ledger, of_what: sa.ColumnElement[bool], first: str, end: str
) -> list[OnRecord]:
    """The definitions that came within a time, and the one that stood when it began."""
    found = _records(ledger, [RecordKind.DEFINITION], of_what, records.c.recorded_at < end)
    before = [it for it in found if it.at < first]
    return [*before[-1:], *(it for it in found if it.at >= first)]


def _of_people(
    ledger: Ledger, agent: str, read_ids: Collection[str], decisions: Sequence[OnRecord]
) -> list[OnRecord]:
    """What concerns the agent, one of its decisions or one of its reads, whenever it was put on record."""
    concerned = {it.record_id for it in decisions} | set(read_ids)
    return [
        it
        for it in _records(ledger, _OF_PEOPLE)
        if it.details.get("agent") == agent or not concerned.isdisjoint(_texts(it.details))
    ]


def _texts(value: object) -> set[str]:
    """Every text in a JSON value."""
    if isinstance(value, str):
        return {value}
    inner = value.values() if isinstance(value, Mapping) else value
    if isinstance(inner, Collection):
        return set().union(*map(_texts, inner))
    return set()


def _records(
    ledger: Ledger, kinds: Sequence[RecordKind], *conditions: sa.ColumnElement[bool]
) -> list[OnRecord]:
    """These stay in the database when their month is archived."""
    asked = (
        sa.select(records)
        .where(records.c.kind.in_([kind.value for kind in kinds]), *conditions)
        .order_by(records.c.seq)
    )
    with ledger.reading() as connection:
        rows = connection.execute(asked).all()
        kept = kept_values(connection, [row.body for row in rows])
    return [
        OnRecord(
            record_id=row.record_id,
            kind=RecordKind(row.kind),
            at=row.recorded_at,
            by=row.reader,
            reason=row.reason,
            run_id=row.run_id,
            details=content_of(row.body)["details"],
            kept=tuple(values),
        )
        for row, values in zip(rows, kept, strict=True)
    ]
