"""A question about reads, and the conditions on the index of reads that it stands for."""

from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from datetime import date, datetime

import sqlalchemy as sa

from semantic.errors import QuestionError
from semantic.ledger.archive import Archive
from semantic.ledger.chain import content_of
from semantic.ledger.moment import as_recorded
from semantic.ledger.read_index import ReadOutcome
from semantic.ledger.record import RecordKind
from semantic.ledger.schema import IS_NOT_ALLOWED, reads, records, scopes

# More than a person or a program would take at once.
MOST_ON_A_PAGE = 1_000_000
Names = str | Collection[str] | None
_Condition = sa.ColumnElement[bool]
_BEYOND = "\U0010ffff"
_HASH_LENGTH = 64


@dataclass(frozen=True, kw_only=True)
class ReadQuestion:
    """Which reads are meant. A field takes one name or several of which any will do; unset ones do not narrow.

    `agent` is who read and `acting_for` on whose behalf; `reader` is either of the two. `relation` and `dbt_model` are what
    a read scanned, `dimension` what it grouped or filtered by. `run` is a run id or the beginning of one, of a run or of the first of its
    retries. `decision` keeps the reads that a decision rests on. `version` is a data version or the beginning of one, or a definition hash.
    `since` is included, `until` is not, and comes after it. `covering` keeps the reads whose data included that day; `without_agent`
    leaves one agent out.
    """

    metric: Names = None
    dimension: Names = None
    relation: Names = None
    dbt_model: Names = None
    agent: Names = None
    acting_for: Names = None
    reader: Names = None
    team: Names = None
    run: Names = None
    read: Names = None
    decision: Names = None
    version: Names = None
    outcome: Names = None
    reason: Names = None
    since: datetime | None = None
    until: datetime | None = None
    covering: date | None = None
    without_agent: str | None = None


def conditions(
    archive: Archive, connection: sa.Connection, question: ReadQuestion
) -> list[_Condition]:
    """What holds for a row of the index of reads that the question means. Looks up what decisions rest on, and archived reads by id.

    Raises `QuestionError` where no time is from `since` to `until`.
    """
    return [
        *_of_columns(question),
        *_of_readers(question),
        *_of_scopes(question),
        *_of_records(archive, connection, question),
        *_of_times(question),
    ]


def starts_with(column: sa.ColumnElement[str], text: str) -> _Condition:
    """As a range, which an index serves: names stand in the order of their bytes."""
    return sa.and_(column >= text, column < text + _BEYOND)


def _of_columns(question: ReadQuestion) -> Iterator[_Condition]:
    for column, names in (
        (reads.c.metric, question.metric),
        (reads.c.team, question.team),
        (reads.c.reason, question.reason),
    ):
        if names is not None:
            yield column.in_(_several(names))
    if question.outcome is not None:
        outcomes = _several(question.outcome)
        yield reads.c.outcome.in_(outcomes)
        if ReadOutcome.ALLOWED.value not in outcomes:
            yield IS_NOT_ALLOWED
    if question.run is not None:
        yield _any(
            starts_with(column, text)
            for text in _several(question.run)
            for column in (reads.c.run_id, reads.c.root_run_id)
        )
    if question.version is not None:
        yield _any(
            condition for text in _several(question.version) for condition in _is_version(text)
        )


def _is_version(text: str) -> Iterator[_Condition]:
    is_whole = len(text) >= _HASH_LENGTH
    for column in (reads.c.data_version, reads.c.definition_hash):
        yield column == text if is_whole else starts_with(column, text)


def _of_readers(question: ReadQuestion) -> Iterator[_Condition]:
    if question.agent is not None:
        yield reads.c.reader.in_(_several(question.agent))
    if question.acting_for is not None:
        yield reads.c.acting_for.in_(_several(question.acting_for))
    if question.reader is not None:
        names = _several(question.reader)
        yield sa.or_(reads.c.reader.in_(names), reads.c.acting_for.in_(names))
    if question.without_agent is not None:
        yield sa.or_(reads.c.reader.is_(None), reads.c.reader != question.without_agent)


def _of_scopes(question: ReadQuestion) -> Iterator[_Condition]:
    for what, names in (
        ("dimension", question.dimension),
        ("relation", question.relation),
        ("dbt_model", question.dbt_model),
    ):
        if names is not None:
            yield reads.c.scope.in_(
                sa.select(scopes.c.scope).where(
                    scopes.c.what == what, scopes.c.name.in_(_several(names))
                )
            )


def _of_records(
    archive: Archive, connection: sa.Connection, question: ReadQuestion
) -> Iterator[_Condition]:
    if question.read is not None:
        yield _has_id(archive, connection, _several(question.read))
    if question.decision is not None:
        yield _has_id(archive, connection, _rested_on(connection, _several(question.decision)))


def _has_id(archive: Archive, connection: sa.Connection, read_ids: list[str]) -> _Condition:
    """By the number of the record, since ids of reads are found in the records: in those of the database, and only for ids that it does
    not have in the archive. A read that was tried again after its month was moved is found by its run too, which is that of the first try.
    """
    kinds = [RecordKind.INTENT, RecordKind.REFUSAL]
    found = connection.execute(
        sa.select(records.c.seq, records.c.record_id, records.c.root_run_id).where(
            records.c.record_id.in_(read_ids), records.c.kind.in_([kind.value for kind in kinds])
        )
    ).all()
    missing = set(read_ids).difference(row.record_id for row in found)
    archived = archive.with_ids(connection, missing, kinds)
    runs = {row.root_run_id for row in found if row.root_run_id is not None}
    first_tries = sa.select(reads.c.seq).where(
        reads.c.root_run_id.in_(runs), reads.c.read_id.in_(read_ids)
    )
    return sa.or_(
        reads.c.seq.in_([*(row.seq for row in found), *(item[0] for item in archived)]),
        reads.c.seq.in_(first_tries),
    )


def _rested_on(connection: sa.Connection, decisions: Iterable[str]) -> list[str]:
    bodies: sa.ScalarResult[bytes] = connection.execute(
        sa.select(records.c.body).where(
            records.c.record_id.in_(decisions), records.c.kind == RecordKind.DECISION.value
        )
    ).scalars()
    return sorted({read_id for body in bodies for read_id in content_of(body)["details"]["reads"]})


def _of_times(question: ReadQuestion) -> Iterator[_Condition]:
    since = None if question.since is None else as_recorded(question.since)
    until = None if question.until is None else as_recorded(question.until)
    if since is not None and until is not None and since >= until:
        raise QuestionError(
            f"No time is from {since} until before {until}",
            hint="until is not included, and comes after since: for a day, name the day after it",
        )
    if since is not None:
        yield reads.c.at >= since
    if until is not None:
        yield reads.c.at < until
    if question.covering is not None:
        day = question.covering.isoformat()
        yield reads.c.covers_from <= day
        yield reads.c.covers_to >= day


def _several(names: str | Collection[str]) -> list[str]:
    return [names] if isinstance(names, str) else list(names)


def _any(conditions: Iterable[_Condition]) -> _Condition:
    return sa.or_(sa.false(), *conditions)
