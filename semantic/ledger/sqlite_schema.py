"""The schema on SQLite: how it is made, how an older one is taken over, and what holds the record append-only."""

from collections.abc import Callable

import sqlalchemy as sa
from sqlalchemy.schema import CreateIndex, CreateTable

from semantic.errors import LedgerUnavailable
from semantic.ledger.chain import content_of
from semantic.ledger.many_rows import insert
from semantic.ledger.read_index import ReadRow, end_of, rows_of
from semantic.ledger.record import RecordKind
from semantic.ledger.schema import (
    AGENT_READS,
    APPEND_ONLY,
    BEGIN_OF_READ,
    DELETABLE,
    SAID_OF_ARCHIVE,
    SCHEMA_VERSION,
    erasable_values,
    journal,
    metadata,
    reads,
    records,
    tiles,
)


def bring_up_to_date(connection: sa.Connection, place: str) -> None:
    """Makes the tables, or takes over those of an older version. Raises `LedgerUnavailable` for those of a newer one."""
    version = int(connection.exec_driver_sql("PRAGMA user_version").scalar_one())
    if version > SCHEMA_VERSION:
        raise LedgerUnavailable(
            f"The ledger {place} was written by a newer version of this package",
            hint="install that version, or name another DAGSTER_HOME",
        )
    if version == SCHEMA_VERSION:
        return
    steps = range(version + 1, SCHEMA_VERSION + 1) if version else range(0)
    _drop_triggers(connection)
    connection.exec_driver_sql("DROP VIEW IF EXISTS agent_reads")
    for step in steps:
        for statement in _STATEMENTS.get(step, ()):
            connection.exec_driver_sql(statement)
    metadata.create_all(connection)
    for step in steps:
        if step in _FILLINGS:
            _FILLINGS[step](connection)
    for statement in (*append_only_triggers(), f"CREATE VIEW agent_reads AS {AGENT_READS}"):
        connection.exec_driver_sql(statement)
    connection.exec_driver_sql(f"PRAGMA user_version = {SCHEMA_VERSION}")


def rewrite_what_is_erased(connection: sa.Connection) -> None:
    """Writes what is kept of all that can be erased into pages of its own, and frees those it stood in, which SQLite overwrites.

    It overwrites a row that is deleted, and not what is left of it where it stood before SQLite moved it, to even out its pages.
    """
    for table in (erasable_values, journal):
        statements: list[sa.Executable] = [
            sa.text(f"ALTER TABLE {table.name} RENAME TO old_rows"),
            *(sa.text(f"DROP INDEX {index.name}") for index in table.indexes),
            CreateTable(table),
            sa.text(f"INSERT INTO {table.name} SELECT * FROM old_rows ORDER BY rowid"),
            sa.text("DROP TABLE old_rows"),
            *(CreateIndex(index) for index in table.indexes),
        ]
        for statement in statements:
            connection.execute(statement)


def append_only_triggers() -> list[str]:
    """Statements that make the record refuse to be changed, and the index of reads to be changed but for the end of an open one."""
    refused = (
        {f"{table}_no_update": f"UPDATE ON {table}" for table in APPEND_ONLY}
        | {f"{table}_no_delete": f"DELETE ON {table}" for table in APPEND_ONLY}
        | {
            f"{table}_no_delete": f"DELETE ON {table} WHEN OLD.seq > ({until})"
            for table, until in DELETABLE.items()
        }
        | {
            "reads_no_update": f"UPDATE OF {', '.join(BEGIN_OF_READ)} ON reads",
            "reads_end_once": "UPDATE ON reads WHEN OLD.outcome <> 'open'",
            "archives_no_update": f"UPDATE OF {', '.join(SAID_OF_ARCHIVE)} ON archives",
            "archives_deleted_once": "UPDATE ON archives WHEN OLD.deleted_at IS NOT NULL",
        }
    )
    return [
        f"CREATE TRIGGER {name} BEFORE {what} BEGIN SELECT RAISE(ABORT, 'the ledger is append-only'); END"
        for name, what in refused.items()
    ]


def _drop_triggers(connection: sa.Connection) -> None:
    """Those of an older version: they are made anew."""
    names = connection.exec_driver_sql("SELECT name FROM sqlite_master WHERE type = 'trigger'")
    for (name,) in names.all():
        connection.exec_driver_sql(f"DROP TRIGGER {name}")


def _take_over(connection: sa.Connection) -> None:
    """Fills the tables of version 3 from what version 2 held, and lets go of the records that tiles referred to."""
    for statement in (
        "ALTER TABLE tiles RENAME TO old_tiles",
        CreateTable(tiles),
        "INSERT INTO tiles SELECT number, through, root, hashes FROM old_tiles",
        "DROP TABLE old_tiles",
    ):
        connection.execute(sa.text(statement) if isinstance(statement, str) else statement)
    _index_reads(connection)


def _index_reads(connection: sa.Connection) -> None:
    """Fills the index of reads from the bodies of all records."""
    kinds = [RecordKind.INTENT.value, RecordKind.OUTCOME.value, RecordKind.REFUSAL.value]
    found = connection.execute(
        sa.select(records.c.seq, records.c.body, records.c.recorded_at)
        .where(records.c.kind.in_(kinds))
        .order_by(records.c.seq)
    )
    begun: dict[str, list[ReadRow]] = {}
    for row in found:
        said = content_of(row.body)
        if said["kind"] == RecordKind.OUTCOME:
            end = end_of(said, row.recorded_at)
            begun[said["id"]] = [
                item._replace(**end._asdict()) for item in begun.get(said["id"], ())
            ]
        else:
            key = said["id"] if said["kind"] == RecordKind.INTENT else f"refusal {said['id']}"
            begun[key] = rows_of(said, row.seq, row.recorded_at)
    insert(connection, reads, [row for group in begun.values() for row in group])


# By version, what makes a ledger of the version before into one of it: before the tables are made that are new, and after.
_STATEMENTS: dict[int, list[str]] = {
    2: [
        "ALTER TABLE records ADD COLUMN stream VARCHAR(36)",
        "ALTER TABLE records ADD COLUMN position INTEGER",
        "CREATE UNIQUE INDEX records_by_place ON records (stream, position)",
    ],
    3: ["DROP TABLE read_metrics", "DROP INDEX records_by_reader", "DROP INDEX records_by_run"],
    5: ["CREATE INDEX decisions_by_run ON records (run_id) WHERE records.kind = 'decision'"],
}
_FILLINGS: dict[int, Callable[[sa.Connection], None]] = {3: _take_over}
