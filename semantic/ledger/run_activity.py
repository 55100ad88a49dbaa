"""Which runs did something between two records, and all that is on record of one run."""

from collections import defaultdict
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from typing import Any, NamedTuple

import sqlalchemy as sa

from semantic.ledger.ledger import Ledger
from semantic.ledger.parts import in_parts
from semantic.ledger.read_question import ReadQuestion
from semantic.ledger.reads import Read, find_reads
from semantic.ledger.record import RecordKind
from semantic.ledger.run_decisions import RunDecision, decisions_in, decisions_with
from semantic.ledger.schema import IS_DECISION, reads, records


class ReaderRun(NamedTuple):
    """What one reader did in one run; where a read was in no run, that read."""

    reader: str
    run_id: str | None
    read_id: str | None = None


@dataclass(frozen=True, kw_only=True)
class RunActivity:
    """All that is on record of a run of a reader: its reads in the order in which they began, and what was decided, or that it ended at a limit.

    `told` are the decisions that it was told of; `is_decided_later` says that there is a decision in a record that is not looked at. `earlier` are reads of earlier tries of the same run that a decision rests on. `first` is the number of its first record, and `began_at` its moment.
    """

    run: ReaderRun
    first: int
    began_at: str
    reads: tuple[Read, ...]
    earlier: tuple[Read, ...]
    decisions: tuple[RunDecision, ...]
    told: tuple[RunDecision, ...]
    is_decided_later: bool = False


def active_runs(
    ledger: Ledger, *, after: int, upto: int, without: str, most: int
) -> tuple[tuple[ReaderRun, ...], int]:
    """The runs that read or decided in the records after one and up to another, in the order in which they did, and up to which record these are all.
    `without` is a reader to leave out. Looks at so many reads and so many decisions at most.
    """
    read = (
        sa.select(reads.c.seq, reads.c.reader, reads.c.run_id, reads.c.read_id)
        .where(reads.c.seq > after, reads.c.seq <= upto)
        .order_by(reads.c.seq)
        .limit(most)
    )
    decided = (
        sa.select(records.c.seq, records.c.reader, records.c.run_id, sa.null().label("read_id"))
        .where(
            records.c.kind == RecordKind.DECISION.value,
            records.c.seq > after,
            records.c.seq <= upto,
        )
        .order_by(records.c.seq)
        .limit(most)
    )
    with ledger.reading() as connection:
        found = [connection.execute(question).all() for question in (read, decided)]
    through = min(rows[-1].seq if len(rows) == most else upto for rows in found)
    rows = sorted((row for rows in found for row in rows), key=lambda row: row.seq)
    runs = dict.fromkeys(
        _run_of(row) for row in rows if row.seq <= through and row.reader not in (None, without)
    )
    return tuple(run for run in runs if run is not None), through


def run_activities(
    ledger: Ledger, runs: Collection[ReaderRun], *, upto: int | None = None
) -> list[RunActivity]:
    """What is on record of some runs, in the order in which they began: all of it, or what stands up to a record. A run of which nothing is is left out.

    Raises `LedgerUnavailable`.
    """
    in_runs = {run.run_id for run in runs if run.run_id is not None}
    alone = [run.read_id for run in runs if run.run_id is None and run.read_id is not None]
    own: dict[ReaderRun, list[Read]] = defaultdict(list)
    for question in (ReadQuestion(run=sorted(in_runs)), ReadQuestion(read=alone)):
        if question.run or question.read:
            for read in find_reads(ledger, question):
                if upto is None or read.seq <= upto:
                    own[_run_of_read(read)].append(read)
    decided: dict[ReaderRun, list[RunDecision]] = defaultdict(list)
    later: set[ReaderRun] = set()
    for decision in decisions_in(ledger, in_runs):
        run = ReaderRun(decision.agent, decision.run_id)
        if upto is not None and decision.seq > upto:
            later.add(run)
        else:
            decided[run].append(decision)
    found = [
        RunActivity(
            run=run,
            first=number,
            began_at=at,
            reads=tuple(sorted(own[run], key=lambda read: (read.at, read.read_id, read.metric))),
            earlier=_earlier(ledger, own[run], decided[run]),
            decisions=tuple(decided[run]),
            told=tuple(decisions_with(ledger, {it for own in decided[run] for it in own.told})),
            is_decided_later=run in later,
        )
        for run, (number, at) in _beginnings(ledger, in_runs, alone).items()
        if run in runs
    ]
    return sorted(found, key=lambda activity: activity.first)


def _earlier(
    ledger: Ledger, own: Iterable[Read], decisions: Iterable[RunDecision]
) -> tuple[Read, ...]:
    """The reads of earlier tries that decisions rest on: who tries again does not read again what is on record."""
    known = {read.read_id for read in own}
    missing = {read_id for item in decisions for read_id in item.reads} - known
    if not missing:
        return ()
    return tuple(find_reads(ledger, ReadQuestion(read=sorted(missing))))


def _run_of(row: Any) -> ReaderRun | None:
    if row.run_id is not None:
        return ReaderRun(row.reader, row.run_id)
    return None if row.read_id is None else ReaderRun(row.reader, None, row.read_id)


def _run_of_read(read: Read) -> ReaderRun:
    return ReaderRun(read.agent or "", read.run_id, read.read_id if read.run_id is None else None)


def _beginnings(
    ledger: Ledger, runs: Collection[str], alone: Collection[str]
) -> dict[ReaderRun, tuple[int, str]]:
    """The number and the moment of the first record of each run."""
    found: dict[ReaderRun, tuple[int, str]] = {}
    with ledger.reading() as connection:
        for some in in_parts(sorted(runs)):
            of_reads = _first_of(reads, reads.c.at).where(reads.c.run_id.in_(some))
            of_decisions = _first_of(records, records.c.recorded_at).where(
                IS_DECISION, records.c.run_id.in_(some)
            )
            for row in connection.execute(sa.union_all(of_reads, of_decisions)):
                run, first = ReaderRun(row.reader, row.run_id), (row.first, row.began_at)
                found[run] = min(found.get(run, first), first)
    for read in find_reads(ledger, ReadQuestion(read=list(alone))) if alone else ():
        found.setdefault(_run_of_read(read), (read.seq, read.at))
    return found


def _first_of(table: sa.Table, at: sa.ColumnElement[str]) -> sa.Select[Any]:
    return sa.select(
        table.c.reader,
        table.c.run_id,
        sa.func.min(table.c.seq).label("first"),
        sa.func.min(at).label("began_at"),
    ).group_by(table.c.reader, table.c.run_id)
