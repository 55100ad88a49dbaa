"""Who read what, when, at which version, allowed or refused: the reads that a question means, in pages."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import sqlalchemy as sa

from semantic.errors import LedgerUnavailable, QuestionError
from semantic.ledger.archive import Archive
from semantic.ledger.erasable import restored
from semantic.ledger.ledger import Ledger
from semantic.ledger.page_token import page_token, place_in
from semantic.ledger.read_index import ReadOutcome
from semantic.ledger.read_order import ReadOrder
from semantic.ledger.read_question import MOST_ON_A_PAGE, ReadQuestion, conditions
from semantic.ledger.record import RecordKind
from semantic.ledger.schema import reads, records

NEWEST_FIRST = ReadOrder()
_AT_ONCE = 2_000
_Rows = Sequence[Mapping[Any, Any]]


@dataclass(frozen=True, kw_only=True)
class Read:
    """One metric of one read. `seq` is the number of its record, `at` and `ended_at` are UTC. `outcome` is that of a `ReadOutcome`: where it is open, the read
    began and how it ended was never written, so nothing was released. `query` is what was asked, as it stands on record, and `restricted_to` are the values to
    which the policy restricted the rows, by element: values that may be personal, and are no column of a table. `relations` are the tables that it scanned. `why` is for those who look into a refusal.
    """

    read_id: str
    at: str
    agent: str | None
    acting_for: str | None
    team: str | None
    run_id: str | None
    root_run_id: str | None
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
    ended_at: str | None
    seq: int
    policy_hash: str | None
    relations: tuple[str, ...]
    query: Mapping[str, Any] | None = field(repr=False)
    restricted_to: tuple[tuple[str, tuple[str, ...]], ...] = field(repr=False)


@dataclass(frozen=True, kw_only=True)
class ReadPage:
    """Reads in their order, and with `after` the token that the next page is asked for with; None where this is the last."""

    reads: tuple[Read, ...]
    after: str | None


def find_reads(
    ledger: Ledger,
    question: ReadQuestion,
    *,
    order: ReadOrder = NEWEST_FIRST,
    limit: int | None = None,
    after: str | None = None,
) -> Iterator[Read]:
    """The reads that a question means, fetched page by page as they are taken. Raises what `read_page` does."""
    left = limit
    while left is None or left > 0:
        wanted = _AT_ONCE if left is None else min(left, _AT_ONCE)
        page = read_page(ledger, question, order=order, limit=wanted, after=after)
        yield from page.reads
        if page.after is None:
            return
        left = left if left is None else left - wanted
        after = page.after


def read_page(
    ledger: Ledger,
    question: ReadQuestion,
    *,
    order: ReadOrder = NEWEST_FIRST,
    limit: int = 50,
    after: str | None = None,
) -> ReadPage:
    """At most `limit` of the reads that a question means, from the first or `after` the page that gave this token.

    What is recorded meanwhile moves no read to another page, unless the order is by how reads ended. Raises `LedgerUnavailable`, and `QuestionError`
    for a token of another order, for a page of no reads, and where no time is from `since` to `until`.
    """
    if not 1 <= limit <= MOST_ON_A_PAGE:
        raise QuestionError(
            f"A page of {limit} reads is none",
            hint=f"limit is 1 to {MOST_ON_A_PAGE:,}; count_reads counts them",
        )
    place = None if after is None else place_in(after, str(order))
    with ledger.reading() as connection:
        wanted = sa.select(reads.c.seq, reads.c.metric).where(
            *conditions(ledger.archive, connection, question)
        )
        if place is not None:
            wanted = wanted.where(order.after(place))
        page = wanted.order_by(*order.terms()).limit(limit + 1).subquery("page")
        rows = connection.execute(_all_of(page).order_by(*order.terms())).mappings().all()
        shown = rows[:limit]
        said = _begun(ledger.archive, connection, shown)
        ended = _ended(ledger.archive, connection, shown, said)
    return ReadPage(
        reads=tuple(map(_read, shown, said, ended)),
        after=page_token(str(order), order.place(shown[-1])) if len(rows) > limit else None,
    )


def _all_of(page: sa.Subquery) -> sa.Select[Any]:
    """Rows and bodies are looked up for one page only: to find which these are, an index is enough."""
    begun, ended = records.alias("begun"), records.alias("ended")
    return (
        sa.select(reads, begun.c.body, ended.c.body.label("outcome_body"))
        .select_from(page)
        .join(reads, sa.and_(reads.c.seq == page.c.seq, reads.c.metric == page.c.metric))
        .outerjoin(begun, begun.c.seq == page.c.seq)
        .outerjoin(
            ended,
            sa.and_(
                ended.c.record_id == reads.c.read_id,
                ended.c.kind == RecordKind.OUTCOME.value,
            ),
        )
    )


def _begun(archive: Archive, connection: sa.Connection, rows: _Rows) -> list[dict[str, Any]]:
    """What the intents and refusals say, from the database or the archive."""
    archived = archive.bodies(connection, [row["seq"] for row in rows if row["body"] is None])
    bodies = [row["body"] or archived.get(row["seq"]) for row in rows]
    for row, body in zip(rows, bodies, strict=True):
        if body is None:
            raise LedgerUnavailable(
                f"Record {row['seq']} is neither in the database nor in the archive",
                hint="run `governed-agents verify`: it says what was done to the record",
            )
    return restored(connection, [body for body in bodies if body is not None])


def _ended(
    archive: Archive, connection: sa.Connection, rows: _Rows, begun: Sequence[Mapping[str, Any]]
) -> list[dict[str, Any]]:
    """What the outcomes of intents say; nothing where there is none."""
    intents = [
        row
        for row, said in zip(rows, begun, strict=True)
        if said["kind"] == RecordKind.INTENT and row["outcome"] != ReadOutcome.OPEN
    ]
    outcomes = {row["read_id"]: row["outcome_body"] for row in intents if row["outcome_body"]}
    missing = {row["read_id"]: row["seq"] for row in intents if row["outcome_body"] is None}
    if missing:
        found = archive.with_ids(
            connection, missing, [RecordKind.OUTCOME], after=min(missing.values())
        )
        outcomes |= {record_id: body for _, record_id, _, body in found}
    is_intent = {row["seq"] for row in intents}
    said = dict(zip(outcomes, restored(connection, list(outcomes.values())), strict=True))
    return [said.get(row["read_id"], {}) if row["seq"] in is_intent else {} for row in rows]


def _read(row: Mapping[Any, Any], said: Mapping[str, Any], outcome: Mapping[str, Any]) -> Read:
    details, ended = said["details"], outcome.get("details", {})
    return Read(
        read_id=row["read_id"],
        at=row["at"],
        agent=row["reader"],
        acting_for=row["acting_for"],
        team=row["team"],
        run_id=row["run_id"],
        root_run_id=row["root_run_id"],
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
        seq=row["seq"],
        policy_hash=details.get("policy_hash"),
        query=details.get("query"),
        restricted_to=tuple((name, tuple(values)) for name, values in details.get("rows") or ()),
        relations=tuple((said.get("touches") or {}).get("relation") or ()),
        rows=row["rows"],
        notices=tuple(ended.get("notices", ())),
        purpose=said.get("purpose"),
        why=_why(details, ended),
        ended_at=row["ended_at"],
    )


def _why(details: Mapping[str, Any], ended: Mapping[str, Any]) -> str | None:
    """What the reader was told, and what the record keeps from it."""
    told = [details.get("message"), details.get("detail"), ended.get("error")]
    return "; ".join(str(text) for text in told if text) or None
