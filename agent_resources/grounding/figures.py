"""What a number in a text may be: a cell, what cells of one column come to, or what two cells are to each other."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from statistics import fmean, median

from agent_resources.grounding.changes import changes
from agent_resources.grounding.columns import columns_of, narrowed
from agent_resources.grounding.context import Candidate, Context
from agent_resources.grounding.counts import counts, is_count
from agent_resources.grounding.cues import AVERAGE, MEANS, SHARE, TOTAL
from agent_resources.grounding.evidence import Column, Row, Table
from agent_resources.grounding.numbers import NumberKind
from agent_resources.grounding.scoped import rows_in
from agent_resources.grounding.statement import Scope


def candidates(context: Context, tables: Sequence[Table]) -> Iterator[Candidate]:
    """What a number may be, by the reads that are cited."""
    for scoped in _scopes(context):
        for table in tables:
            rows = rows_in(table, scoped.scope)
            if is_count(scoped, table):
                yield from counts(scoped, table)
                continue
            for column in columns_of(scoped, table):
                yield from _of_column(scoped, table, column, rows)
            if scoped.number.kind in (NumberKind.PERCENT, NumberKind.TIMES):
                yield from _of_two_columns(scoped, table, rows)
            for column in table.columns:
                yield from _shares(scoped, table, column, rows)
            for column in narrowed(scoped, table.columns):
                yield from changes(scoped, table, column)


def _scopes(context: Context) -> Iterator[Context]:
    """A number with what it is said of; one of a whole also without the labels that its part has."""
    yield context
    if context.is_of_whole:
        yield replace(context, scope=replace(context.scope, labels=()))
        yield replace(context, scope=replace(context.scope, days=()))
        yield replace(context, scope=Scope())


def _of_column(
    context: Context, table: Table, column: Column, rows: Sequence[Row]
) -> Iterator[Candidate]:
    factor = 100.0 if column.is_ratio and context.number.kind is NumberKind.PERCENT else 1.0
    values = [row.cells[column.name] * factor for row in rows if column.name in row.cells]
    now = [
        row.cells[column.name] * factor
        for row in rows
        if column.name in row.cells and not row.is_previous
    ]
    is_mean = len(now) > 1 and context.is_averaged and not (column.is_ratio or column.words & MEANS)
    for value in dict.fromkeys(() if is_mean else values):
        yield Candidate(value=value, how=f"{column.name}", read_id=table.read_id)
    if len(now) == 1 and context.is_averaged and not column.is_ratio and rows[0].period:
        days = rows[0].period.days
        yield Candidate(value=now[0] / days, how=f"{column.name} per day", read_id=table.read_id)
    if len(now) < 2:
        return
    if not (column.is_ratio or column.is_percent) and (
        context.scope.labels or context.scope.days or not table.is_cut or context.has_cue(TOTAL)
    ):
        how = f"sum of {column.name} over {len(now)} rows"
        yield Candidate(value=sum(now), how=how, read_id=table.read_id)
        if len(values) > len(now):
            yield Candidate(
                value=sum(values) - sum(now), how=f"{how} before", read_id=table.read_id
            )
    if context.has_cue(AVERAGE) or is_mean:
        yield Candidate(value=fmean(now), how=f"mean of {column.name}", read_id=table.read_id)
        yield Candidate(value=median(now), how=f"median of {column.name}", read_id=table.read_id)


def _of_two_columns(context: Context, table: Table, rows: Sequence[Row]) -> Iterator[Candidate]:
    """One metric as a share or a multiple of another, in one row or over all of them."""
    factor = 100.0 if context.number.kind is NumberKind.PERCENT else 1.0
    now = [row for row in rows if not row.is_previous]
    for over in table.columns:
        for under in table.columns:
            if over is under or over.is_ratio or under.is_ratio:
                continue
            pairs = [
                (row.cells[over.name], row.cells[under.name])
                for row in now
                if over.name in row.cells and under.name in row.cells
            ]
            how = f"{over.name} / {under.name}"
            for top, bottom in [*pairs, (sum(it[0] for it in pairs), sum(it[1] for it in pairs))]:
                if bottom and (factor == 1.0 or 0 <= top <= bottom):
                    yield Candidate(value=factor * top / bottom, how=how, read_id=table.read_id)


def _shares(
    context: Context, table: Table, column: Column, rows: Sequence[Row]
) -> Iterator[Candidate]:
    """What a part is of the whole, where all groups were read."""
    if context.number.kind is not NumberKind.PERCENT or not context.has_cue(SHARE):
        return
    if column.is_ratio or column.is_percent or table.is_cut:
        return
    for name, whole in (
        ("all", [row for row in table.rows if not row.is_previous]),
        ("these days", rows_in(table, replace(context.scope, labels=()))),
        ("these groups", rows_in(table, replace(context.scope, days=()))),
    ):
        part = sum(row.cells.get(column.name, 0.0) for row in rows if not row.is_previous)
        total = sum(row.cells.get(column.name, 0.0) for row in whole if not row.is_previous)
        if total and part < total:
            yield Candidate(
                value=100 * part / total,
                how=f"{column.name} as a share of {name}",
                read_id=table.read_id,
            )
