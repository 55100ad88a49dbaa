"""Who read what, when, at which version, allowed or refused: questions to the ledger."""

import json
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any

import sqlalchemy as sa

from semantic.canonical import canonical_json
from semantic.ledger.chain import content_of
from semantic.ledger.ledger import Ledger
from semantic.ledger.read_index import ReadOutcome
from semantic.ledger.record import RecordKind
from semantic.ledger.schema import reads, records
from semantic.query import MetricQuery


@dataclass(frozen=True, kw_only=True)
class ReadQuestion:
    """Which reads are meant. Unset fields do not narrow; `since` is included, `until` is not.

    `run` is a run id or the beginning of one, of a run or of the first of its retries. `covering` keeps the reads whose data included that day; `without_reader` leaves one reader out. `reader` also keeps the reads that
    another did on its behalf.
    """

    metric: str | None = None
    reader: str | None = None
    run: str | None = None
    refused: bool = False
    since: datetime | None = None
    until: datetime | None = None
    covering: date | None = None
    without_reader: str | None = None
    limit: int | None = None


@dataclass(frozen=True, kw_only=True)
class Read:
    """One metric of one read, newest first. `at` is UTC; `outcome` is allowed, refused, or open where a read
    began and its outcome was never written: then nothing was released. `why` is for those who look into a refusal.
    """

    read_id: str
    at: str
    agent: str
    acting_for: str | None
    run_id: str | None
    metric: str
    data_version: str | None
    version_as_read: str | None
    definition_hash: str | None
    outcome: str
    reason: str | None
    covers_from: str | None
    covers_to: str | None
    snapshot: str | None
    group_by: tuple[str, ...]
    rows: int | None
    notices: tuple[str, ...]
    purpose: str | None
    why: str | None


def find_reads(ledger: Ledger, question: ReadQuestion) -> Iterator[Read]:
    """The reads that a question means, newest first. Raises `LedgerUnavailable`."""
    outcome = records.alias("outcome")
    statement = (
        sa.select(
            reads,
            records.c.body,
            outcome.c.body.label("outcome_body"),
        )
        .join(records, records.c.seq == reads.c.seq)
        .outerjoin(
            outcome,
            sa.and_(
                outcome.c.record_id == records.c.record_id,
                outcome.c.kind == RecordKind.OUTCOME.value,
                records.c.kind == RecordKind.INTENT.value,
            ),
        )
        .order_by(reads.c.seq.desc(), reads.c.metric)
    )
    with ledger.reading() as connection:
        rows = connection.execute(_narrowed(statement, question)).mappings().all()
    return (_read(row) for row in rows)


@dataclass(frozen=True, kw_only=True)
class AskedQuery:
    """A query that a reader asked, as often as it did."""

    reader: str
    acting_for: str | None
    query: MetricQuery
    times: int


def asked_queries(ledger: Ledger, *, since: datetime, without_reader: str) -> list[AskedQuery]:
    """The distinct queries that were asked since then, also those that were refused; most often asked first."""
    statement = sa.select(records.c.reader, records.c.acting_for, records.c.body).where(
        records.c.kind.in_([RecordKind.INTENT.value, RecordKind.REFUSAL.value]),
        records.c.recorded_at >= _as_recorded(since),
        records.c.reader != without_reader,
    )
    found: Counter[tuple[str, str | None, bytes]] = Counter()
    with ledger.reading() as connection:
        for row in connection.execute(statement):
            query = content_of(row.body)["details"].get("query")
            if query is not None:
                found[row.reader, row.acting_for, canonical_json(query)] += 1
    return [
        AskedQuery(
            reader=reader,
            acting_for=acting_for,
            query=MetricQuery.model_validate(json.loads(query)),
            times=times,
        )
        for (reader, acting_for, query), times in found.most_common()
    ]


def known_names(ledger: Ledger) -> tuple[set[str], set[str]]:
    """The metrics that were read, and the readers that asked."""
    with ledger.reading() as connection:
        metrics = connection.execute(
            sa.select(reads.c.metric).distinct().where(reads.c.definition_hash.isnot(None))
        ).all()
        readers = connection.execute(sa.select(reads.c.reader).distinct()).all()
    return {row.metric for row in metrics}, {row.reader for row in readers if row.reader}


def _narrowed(statement: Any, question: ReadQuestion) -> Any:
    if question.metric:
        statement = statement.where(reads.c.metric == question.metric)
    if question.reader:
        statement = statement.where(
            sa.or_(reads.c.reader == question.reader, reads.c.acting_for == question.reader)
        )
    if question.without_reader:
        statement = statement.where(reads.c.reader != question.without_reader)
    if question.run:
        statement = statement.where(
            sa.or_(
                reads.c.run_id.startswith(question.run, autoescape=True),
                reads.c.root_run_id.startswith(question.run, autoescape=True),
            )
        )
    if question.since:
        statement = statement.where(reads.c.at >= _as_recorded(question.since))
    if question.until:
        statement = statement.where(reads.c.at < _as_recorded(question.until))
    if question.covering:
        day = question.covering.isoformat()
        statement = statement.where(reads.c.covers_from <= day, reads.c.covers_to >= day)
    if question.refused:
        statement = statement.where(reads.c.outcome == ReadOutcome.REFUSED.value)
    return statement.limit(question.limit) if question.limit else statement


def _as_recorded(moment: datetime) -> str:
    """A moment as records are stamped, in UTC to the millisecond. One without a time zone is taken as UTC."""
    utc = moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    return f"{utc.replace(tzinfo=None).isoformat(timespec='milliseconds')}Z"


def _read(row: Any) -> Read:
    body = content_of(row["body"])
    details = body["details"]
    ended = content_of(row["outcome_body"])["details"] if row["outcome_body"] else {}
    return Read(
        read_id=row["read_id"],
        at=row["at"],
        agent=row["reader"],
        acting_for=row["acting_for"],
        run_id=row["run_id"],
        metric=row["metric"],
        data_version=row["data_version"],
        version_as_read=details.get("versions_as_read", {}).get(row["metric"]),
        definition_hash=row["definition_hash"],
        outcome=row["outcome"],
        reason=row["reason"],
        covers_from=row["covers_from"],
        covers_to=row["covers_to"],
        snapshot=details.get("snapshot"),
        group_by=tuple((details.get("query") or {}).get("group_by") or ()),
        rows=row["rows"],
        notices=tuple(ended.get("notices", ())),
        purpose=body.get("purpose"),
        why=_why(details, ended),
    )


def _why(details: Mapping[str, Any], ended: Mapping[str, Any]) -> str | None:
    """What the reader was told, and what the record keeps from it."""
    told = [details.get("message"), details.get("detail"), ended.get("error")]
    return "; ".join(str(text) for text in told if text) or None
