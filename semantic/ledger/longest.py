"""How long a text can be that the record is looked up by, and of which characters, the same on every store.

One that a database refused would take with it all that is written in the same commit; another database would take it.
"""

from collections.abc import Iterable, Iterator

import sqlalchemy as sa

from semantic.errors import LedgerUnavailable
from semantic.ledger.record import Record
from semantic.ledger.schema import breakers, journal, reads, records, reservations, scopes


def _longest(*columns: sa.Column[str]) -> int:
    """What fits into all of these."""
    return min(column.type.length or 0 for column in columns if isinstance(column.type, sa.String))


_RECORD_ID = _longest(records.c.record_id, reads.c.read_id)
_READER = _longest(records.c.reader, reads.c.reader)
_ACTING_FOR = _longest(records.c.acting_for, reads.c.acting_for)
_TEAM = _longest(reads.c.team)
_RUN_ID = _longest(records.c.run_id, reads.c.run_id)
_ROOT_RUN_ID = _longest(records.c.root_run_id, reads.c.root_run_id)
_REASON = _longest(records.c.reason, reads.c.reason)
_METRIC = _longest(reads.c.metric)
_DATA_VERSION = _longest(reads.c.data_version)
_DEFINITION_HASH = _longest(reads.c.definition_hash)
_TOUCHED = _longest(scopes.c.name)
_LINE = _longest(reservations.c.line)
_SOURCE = _longest(breakers.c.name)

_OF_JOURNAL = {
    column.name: _longest(column)
    for column in journal.c
    if isinstance(column.type, sa.String) and column.type.length
}

_Text = tuple[str, str | None, int]


def refuse_unfit(record: Record) -> None:
    """Raises `LedgerUnavailable` where a text of a record does not fit into its column."""
    _refuse(_texts(record))


def refuse_unfit_names(*, lines: Iterable[str] = (), sources: Iterable[str] = ()) -> None:
    """Raises `LedgerUnavailable` where the name of a budget or of a source does not fit into its column."""
    _refuse(("name of a budget", line, _LINE) for line in lines)
    _refuse(("name of a source", source, _SOURCE) for source in sources)


def refuse_unfit_call(**texts: str) -> None:
    """Raises `LedgerUnavailable` where a text of a call, by its column of the journal, does not fit into it."""
    _refuse((name, text, _OF_JOURNAL[name]) for name, text in texts.items())


def fits_reader(name: str) -> bool:
    """Whether somebody can be on record by this name."""
    return len(name) <= _READER and _is_writable(name)


def _texts(record: Record) -> Iterator[_Text]:
    """Each with what it is called, and how long it may be."""
    yield "record_id", record.record_id, _RECORD_ID
    yield "reader", record.reader, _READER
    yield "acting_for", record.acting_for, _ACTING_FOR
    yield "team", record.team, _TEAM
    yield "run_id", record.context.run_id, _RUN_ID
    yield "root_run_id", record.context.root_run_id, _ROOT_RUN_ID
    yield "reason", record.reason, _REASON
    for read in record.metrics:
        yield "metric", read.metric, _METRIC
        yield "data_version", read.data_version, _DATA_VERSION
        yield "definition_hash", read.definition_hash, _DEFINITION_HASH
    for what, names in record.touches.said().items():
        for name in names:
            yield what, name, _TOUCHED


def _refuse(texts: Iterable[_Text]) -> None:
    for what, text, longest in texts:
        if text is None:
            continue
        if len(text) > longest:
            raise LedgerUnavailable(
                f"The {what} has {len(text):,} characters, and the record takes {longest:,}",
                hint=f"it begins with {text[:40]!r}: give it a shorter one",
            )
        if not _is_writable(text):
            raise LedgerUnavailable(
                f"The {what} {text[:40]!r} has a character in it that no record takes",
                hint="give it one without NUL, and without halves of surrogate pairs",
            )


def _is_writable(text: str) -> bool:
    """Whether it is text in UTF-8, and without NUL, which Postgres does not take."""
    if "\0" in text:
        return False
    return text.isascii() or not any("\ud800" <= character <= "\udfff" for character in text)
