"""The names that reads on record know: of metrics, readers, teams, dimensions, tables, dbt models, runs, decisions."""

from collections.abc import Iterable
from enum import StrEnum
from typing import Any

import sqlalchemy as sa

from semantic.ledger.ledger import Ledger
from semantic.ledger.read_question import starts_with
from semantic.ledger.record import RecordKind
from semantic.ledger.schema import reads, records, scopes

_Columns = Iterable[sa.ColumnElement[str]]
_NEWEST = 1_000
_ALIKE = 4


class Named(StrEnum):
    """What has a name on record."""

    METRIC = "metric"
    AGENT = "agent"
    ACTING_FOR = "acting_for"
    TEAM = "team"
    DIMENSION = "dimension"
    RELATION = "relation"
    DBT_MODEL = "dbt_model"


_COLUMNS = {
    Named.METRIC: reads.c.metric,
    Named.AGENT: reads.c.reader,
    Named.ACTING_FOR: reads.c.acting_for,
    Named.TEAM: reads.c.team,
}
_RUNS = (reads.c.run_id, reads.c.root_run_id)
_VERSIONS = (reads.c.data_version, reads.c.definition_hash)


def recorded_names(ledger: Ledger, what: Named) -> set[str]:
    """Every name of a kind that a read on record has, allowed or refused."""
    with ledger.reading() as connection:
        if what not in _COLUMNS:
            found = sa.select(scopes.c.name).distinct().where(scopes.c.what == what.value)
            return set(connection.execute(found).scalars())
        return _distinct(connection, _COLUMNS[what])


def is_recorded(ledger: Ledger, what: Named, name: str) -> bool:
    """Whether a read on record has this name."""
    if what in _COLUMNS:
        found = sa.select(reads.c.seq).where(_COLUMNS[what] == name)
    else:
        found = sa.select(scopes.c.scope).where(scopes.c.what == what.value, scopes.c.name == name)
    with ledger.reading() as connection:
        return connection.execute(found.limit(1)).first() is not None


def is_run_recorded(ledger: Ledger, run: str) -> bool:
    """Whether a run on record has this id, or one that begins so."""
    return _begins_any(ledger, _RUNS, run)


def runs_like(ledger: Ledger, run: str) -> list[str]:
    """The runs on record whose ids stand next to this one, where they begin with the same four characters."""
    return _alike(ledger, _RUNS, run)


def runs_beginning(ledger: Ledger, text: str) -> list[str]:
    """The runs on record whose ids begin so, a few of them where there are many; the one that is written out alone."""
    with ledger.reading() as connection:
        found: set[str] = set()
        for column in _RUNS:
            begins = sa.select(column).where(starts_with(column, text)).distinct().limit(_ALIKE)
            found.update(connection.scalars(begins))
    return [text] if text in found else sorted(found)


def reads_beginning(ledger: Ledger, text: str) -> list[str]:
    """The same of reads, of those that are in the database; one that is written out is looked for in the archive as well."""
    if is_read_recorded(ledger, text):
        return [text]
    kinds = [RecordKind.INTENT.value, RecordKind.REFUSAL.value]
    found = sa.select(records.c.record_id).where(
        starts_with(records.c.record_id, text), records.c.kind.in_(kinds)
    )
    with ledger.reading() as connection:
        return sorted(connection.scalars(found.distinct().limit(_ALIKE)))


def is_version_recorded(ledger: Ledger, version: str) -> bool:
    """Whether a read on record has this data version or definition hash, or one that begins so."""
    return _begins_any(ledger, _VERSIONS, version)


def versions_like(ledger: Ledger, version: str) -> list[str]:
    """The data versions and definition hashes on record that stand next to this one, where they begin with the same four characters."""
    return _alike(ledger, _VERSIONS, version)


def is_read_recorded(ledger: Ledger, read_id: str) -> bool:
    """Whether a read on record has this id. Looks into the archive where none in the database has."""
    kinds = [RecordKind.INTENT, RecordKind.REFUSAL]
    found = sa.select(records.c.seq).where(
        records.c.record_id == read_id, records.c.kind.in_([kind.value for kind in kinds])
    )
    with ledger.reading() as connection:
        if connection.execute(found.limit(1)).first() is not None:
            return True
        return bool(ledger.archive.with_ids(connection, [read_id], kinds))


def newest_decisions(ledger: Ledger) -> list[str]:
    """The ids of the decisions that were recorded last, at most a thousand."""
    return _decisions(
        ledger, sa.select(records.c.record_id).order_by(records.c.seq.desc()).limit(_NEWEST)
    )


def decisions_like(ledger: Ledger, text: str) -> list[str]:
    """The ids of decisions that begin so, a few of them where there are many; the one that is written out alone."""
    begins = sa.select(records.c.record_id).where(starts_with(records.c.record_id, text))
    found = _decisions(ledger, begins.order_by(records.c.seq.desc()).limit(_ALIKE)) if text else []
    return [text] if text in found else found


def _decisions(ledger: Ledger, statement: sa.Select[Any]) -> list[str]:
    with ledger.reading() as connection:
        found = connection.execute(statement.where(records.c.kind == RecordKind.DECISION.value))
        return list(found.scalars())


def _begins_any(ledger: Ledger, columns: _Columns, text: str) -> bool:
    with ledger.reading() as connection:
        return any(
            connection.execute(
                sa.select(reads.c.seq).where(starts_with(column, text)).limit(1)
            ).first()
            for column in columns
        )


def _alike(ledger: Ledger, columns: _Columns, text: str) -> list[str]:
    with ledger.reading() as connection:
        found = {
            connection.execute(statement).scalar()
            for column in columns
            for statement in (
                sa.select(sa.func.max(column)).where(column < text),
                sa.select(sa.func.min(column)).where(column > text),
            )
        }
    return sorted(name for name in found if name and name[:_ALIKE] == text[:_ALIKE])


def _distinct(connection: sa.Connection, column: sa.ColumnElement[str]) -> set[str]:
    """One look-up in the index per name, however many reads have it."""
    found: set[str] = set()
    last = ""
    while True:
        smallest = sa.select(sa.func.min(column)).where(column > last)
        name = connection.execute(smallest).scalar()
        if name is None:
            return found
        found.add(name)
        last = name
