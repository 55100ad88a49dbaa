"""How many reads there were, by what people ask them by; by a period they are trends."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from itertools import product
from typing import Any

import sqlalchemy as sa

from semantic.errors import QuestionError, did_you_mean
from semantic.ledger.ledger import Ledger
from semantic.ledger.moment import as_recorded, last_before
from semantic.ledger.periods import (
    Period,
    number_between,
    period_of,
    periods_between,
    stamp_length,
)
from semantic.ledger.read_index import ReadOutcome
from semantic.ledger.read_question import ReadQuestion, conditions
from semantic.ledger.schema import reads, scopes

MAX_COUNTS = 100_000


class CountBy(StrEnum):
    """What reads are counted by, beside a `Period`. A read that touches several dimensions, tables or dbt models counts for each."""

    METRIC = "metric"
    AGENT = "agent"
    ACTING_FOR = "acting_for"
    TEAM = "team"
    RUN_ID = "run_id"
    ROOT_RUN_ID = "root_run_id"
    DATA_VERSION = "data_version"
    DEFINITION_HASH = "definition_hash"
    OUTCOME = "outcome"
    REASON = "reason"
    DIMENSION = "dimension"
    TABLE = "table"
    DBT_MODEL = "dbt_model"


Key = CountBy | Period
_TOUCHED = {
    CountBy.DIMENSION: "dimension",
    CountBy.TABLE: "relation",
    CountBy.DBT_MODEL: "dbt_model",
}


@dataclass(frozen=True, kw_only=True)
class ReadCount:
    """The reads that have the same values in `by`. As in a list of reads, one of two metrics counts as two.

    `rows` is how many were released, None where none of the reads was. `last_at` is when the newest of them was, None where there is none.
    """

    by: Mapping[Key, str | None]
    reads: int
    refused: int
    rows: int | None
    last_at: str | None


def count_reads(ledger: Ledger, question: ReadQuestion, by: Sequence[Key]) -> list[ReadCount]:
    """The counts, in the order of what they are by; what is not known comes last.

    By a period, those without reads are there too: between the first and the last one with any, and from `since` and up to
    `until` where the question has them. Raises `LedgerUnavailable`, and `QuestionError` where that makes too many, or no time is from
    `since` to `until`.
    """
    periods = [key for key in by if isinstance(key, Period)]
    if len(periods) > 1:
        raise QuestionError(f"Reads are counted by one period, not by {' and '.join(periods)}")
    with ledger.reading() as connection:
        rows = connection.execute(
            _grouped(by, conditions(ledger.archive, connection, question))
        ).all()
    counts = _added(by, rows)
    if periods:
        counts |= _empty(by, periods[0], counts, question)
    return [counts[place] for place in sorted(counts, key=_unknown_last)]


def key_named(text: str) -> Key:
    """What people call it to what it is. Raises `QuestionError`."""
    known: dict[str, Key] = {key.value: key for key in (*CountBy, *Period)}
    if text not in known:
        raise QuestionError(
            f"Reads cannot be counted by {text!r}",
            hint=did_you_mean(text, known) or f"one of {', '.join(known)}",
        )
    return known[text]


def _grouped(by: Sequence[Key], narrowed: Collection[sa.ColumnElement[bool]]) -> sa.Select[Any]:
    table: sa.FromClause = reads
    keys: list[sa.ColumnElement[Any]] = []
    for key in by:
        if isinstance(key, Period):
            begin, length = _number(1), _number(stamp_length(key))
            keys.append(sa.func.substr(reads.c.at, begin, length))
        elif key in _TOUCHED:
            touched = scopes.alias(f"touched_{key}")
            is_touched = sa.and_(
                touched.c.scope == reads.c.scope, touched.c.what == _TOUCHED[CountBy(key)]
            )
            table = table.outerjoin(touched, is_touched)
            keys.append(touched.c.name)
        else:
            keys.append(reads.c["reader" if key is CountBy.AGENT else key.value])
    is_refused = reads.c.outcome == ReadOutcome.REFUSED.value
    return (
        sa.select(
            *(key.label(f"key_{place}") for place, key in enumerate(keys)),
            sa.func.count().label("reads"),
            sa.func.sum(sa.case((is_refused, _number(1)), else_=_number(0))).label("refused"),
            sa.func.sum(reads.c.rows).label("rows"),
            sa.func.max(reads.c.at).label("last_at"),
        )
        .select_from(table)
        .where(*narrowed)
        .group_by(*keys)
    )


def _added(by: Sequence[Key], rows: Iterable[Any]) -> dict[tuple[str | None, ...], ReadCount]:
    """The counts by their values. The days of a week come one by one."""
    counts: dict[tuple[str | None, ...], ReadCount] = {}
    for row in rows:
        if row.reads == 0:  # of nothing at all, where there is nothing to group by
            continue
        place = tuple(
            period_of(value, key) if isinstance(key, Period) else value
            for key, value in zip(by, row, strict=False)
        )
        before = counts.get(place)
        counts[place] = ReadCount(
            by=dict(zip(by, place, strict=True)),
            reads=row.reads + (before.reads if before else 0),
            refused=int(row.refused) + (before.refused if before else 0),
            rows=_sum(row.rows, before.rows if before else None),
            last_at=max(filter(None, (row.last_at, before.last_at if before else None))),
        )
    return counts


def _empty(
    by: Sequence[Key],
    period: Period,
    found: Collection[tuple[str | None, ...]],
    question: ReadQuestion,
) -> dict[tuple[str | None, ...], ReadCount]:
    """A count of nothing for each period in which some of the other values have none."""
    at = by.index(period)
    named = [str(place[at]) for place in found]
    if question.since is not None:
        named.append(period_of(as_recorded(question.since), period))
    if question.until is not None:
        named.append(period_of(last_before(as_recorded(question.until)), period))
    others = {place[:at] + place[at + 1 :] for place in found} or ({()} if len(by) == 1 else set())
    if not named or not others:
        return {}
    first, last = min(named), max(named)
    if len(others) * number_between(first, last, period) > MAX_COUNTS:
        raise QuestionError(
            f"These are more than {MAX_COUNTS:,} counts, most of them of nothing",
            hint="ask by a longer period, or for a shorter time with --since",
        )
    names = periods_between(first, last, period)
    places = ((*other[:at], name, *other[at:]) for other, name in product(others, names))
    return {
        place: ReadCount(
            by=dict(zip(by, place, strict=True)), reads=0, refused=0, rows=None, last_at=None
        )
        for place in places
        if place not in found
    }


def _number(value: int) -> sa.ColumnClause[int]:
    """Written out: databases compare what is selected with what is grouped by, and parameters are never the same."""
    return sa.literal_column(str(value))


def _sum(one: int | None, other: int | None) -> int | None:
    return None if one is None and other is None else int(one or 0) + int(other or 0)


def _unknown_last(place: Iterable[str | None]) -> tuple[tuple[bool, str], ...]:
    return tuple((value is None, value or "") for value in place)
