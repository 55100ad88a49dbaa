"""The schema on Postgres: a schema of its own, the record in partitions by month, and what each role may do with each table.

The role that makes it owns it. The role of the application, where it is another, can add to the record and not change it.
"""

from collections.abc import Iterable, Iterator
from datetime import date
from typing import Any

import sqlalchemy as sa
from sqlalchemy.schema import CreateIndex, CreateTable

from semantic.errors import LedgerUnavailable
from semantic.ledger.schema import (
    AGENT_READS,
    APPEND_ONLY,
    BEGIN_OF_READ,
    DELETABLE,
    END_OF_READ,
    SAID_OF_ARCHIVE,
    SCHEMA_VERSION,
    archives,
    journal,
    metadata,
    reads,
    records,
)

SCHEMA = "governed_agents"
MONTHS_AHEAD = 24
_PARTITIONED = {records.name: "recorded_at", reads.name: "at"}
_VERSION = "schema_version"
_NUMBERS = "record_numbers"
_VIEW = "agent_reads"
# By version, the tables that it has and the one before has not. Before 5 no table had an index but its primary key.
_ADDED = {4: (journal.name,)}


def schema_version(connection: sa.Connection) -> int:
    """The version of the schema that is there, 0 where there is none."""
    if not _has(connection, _VERSION):
        return 0
    return int(connection.exec_driver_sql(f"SELECT version FROM {_VERSION}").scalar_one())


def bring_up_to_date(connection: sa.Connection, place: str) -> None:
    """Makes the schema where there is none, or takes over that of an older version, and makes the partitions of the months to come,
    where this role owns it.

    Raises `LedgerUnavailable` where a newer version is there, or an older one that only its owner can take over.
    """
    version = schema_version(connection)
    if version == 0:
        _create(connection)
    elif version > SCHEMA_VERSION:
        raise LedgerUnavailable(
            f"The ledger {place} was written by a newer version of this package",
            hint="install that version, or name another database",
        )
    is_owner = _owns(connection)
    if 0 < version < SCHEMA_VERSION:
        if not is_owner:
            raise LedgerUnavailable(
                f"The ledger {place} has schema version {version}, and this package writes {SCHEMA_VERSION}",
                hint="its owner takes it over: governed-agents ledger create URL --for ROLE",
            )
        _take_over(connection, version)
    if is_owner:
        _make_partitions(connection)


def grant(connection: sa.Connection, role: str) -> None:
    """Lets a role do with each table what the application needs, and no more."""
    quoted = connection.dialect.identifier_preparer.quote(role)
    rights = dict.fromkeys(APPEND_ONLY, "SELECT, INSERT")
    rights[reads.name] = f"SELECT, INSERT, UPDATE ({', '.join(END_OF_READ)})"
    rights[_VERSION] = rights[_VIEW] = rights[archives.name] = "SELECT"
    for other in metadata.sorted_tables:
        rights.setdefault(other.name, "SELECT, INSERT, UPDATE, DELETE")
    connection.exec_driver_sql(f"GRANT USAGE ON SCHEMA {_schema(connection)} TO {quoted}")
    connection.exec_driver_sql(f"GRANT USAGE ON SEQUENCE {_NUMBERS} TO {quoted}")
    for table, allowed in rights.items():
        connection.exec_driver_sql(f"REVOKE ALL ON {table} FROM {quoted}")
        connection.exec_driver_sql(f"GRANT {allowed} ON {table} TO {quoted}")


def _create(connection: sa.Connection) -> None:
    connection.exec_driver_sql(f"CREATE SCHEMA IF NOT EXISTS {_schema(connection)}")
    connection.exec_driver_sql(f"CREATE SEQUENCE {_NUMBERS} AS bigint CACHE 1")
    for table in _tables():
        _make(connection, table)
    for name in _PARTITIONED:
        connection.exec_driver_sql(f"CREATE TABLE {name}_other PARTITION OF {name} DEFAULT")
    for statement in _guards():
        connection.exec_driver_sql(statement)
    connection.exec_driver_sql(f"CREATE VIEW {_VIEW} AS {AGENT_READS}")
    connection.exec_driver_sql(f"CREATE TABLE {_VERSION} AS SELECT {SCHEMA_VERSION} AS version")


def _take_over(connection: sa.Connection, version: int) -> None:
    """Makes the tables that came after a version and every index that is missing, and tells the guards what may be deleted now. Who may use what is new
    is granted by name.
    """
    added = {name for after, names in _ADDED.items() if after > version for name in names}
    for table in _tables():
        if table.name in added:
            _make(connection, table)
        else:
            _make_indexes(connection, table)
    for statement in _guards_of_deletion():
        connection.exec_driver_sql(statement)
    connection.exec_driver_sql(f"UPDATE {_VERSION} SET version = {SCHEMA_VERSION}")


def _make(connection: sa.Connection, table: sa.Table) -> None:
    connection.execute(CreateTable(table))
    _make_indexes(connection, table)


def _make_indexes(connection: sa.Connection, table: sa.Table) -> None:
    for index in sorted(table.indexes, key=lambda item: str(item.name)):
        connection.execute(CreateIndex(index, if_not_exists=True))


def _tables() -> Iterator[sa.Table]:
    """The tables as Postgres has them: texts in the order of their bytes, those with a time in partitions by it.

    A partition cannot hold what is unique over all, nor be referred to by a number alone: ids are kept apart by claims.
    """
    made = sa.MetaData()
    for table in metadata.sorted_tables:
        by = _PARTITIONED.get(table.name)
        keys = [*table.primary_key.columns.keys(), *([by] if by else [])]
        new = sa.Table(
            table.name,
            made,
            *(_column(column) for column in table.columns),
            sa.PrimaryKeyConstraint(*keys),
            postgresql_partition_by=f"RANGE ({by})" if by else None,
        )
        for name, columns, is_unique, kept in _indexes(table):
            sa.Index(
                name,
                *(new.c[column] for column in columns),
                unique=is_unique and not by,
                postgresql_where=kept,
            )
        yield new


def _indexes(table: sa.Table) -> Iterator[tuple[str, list[str], bool, Any]]:
    """The indexes of a table, and those behind what must be unique: name, columns, whether unique, and what of it is kept."""
    for index in sorted(table.indexes, key=lambda item: str(item.name)):
        where = index.dialect_options["postgresql"]["where"]
        kept = None
        if where is not None:
            text = str(where.compile(compile_kwargs={"literal_binds": True}))
            kept = sa.text(text.replace(f"{table.name}.", ""))
        yield str(index.name), [column.name for column in index.columns], bool(index.unique), kept
    for constraint in table.constraints:
        if isinstance(constraint, sa.UniqueConstraint):
            names = [column.name for column in constraint.columns]
            yield f"{table.name}_by_{'_'.join(names)}", names, True, None


def _column(column: sa.Column[object]) -> sa.Column[object]:
    kind: Any = column.type
    if isinstance(kind, sa.String):
        kind = sa.String(kind.length, collation="C")
    return sa.Column(column.name, kind, nullable=column.nullable, autoincrement=False)


def _guards() -> Iterator[str]:
    """Triggers that refuse what no role should do, the owner included."""
    yield (
        "CREATE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS "
        "$$ BEGIN RAISE EXCEPTION 'the ledger is append-only'; END $$"
    )
    yield from _guards_of_deletion()
    for table in DELETABLE:
        yield (
            f"CREATE TRIGGER {table}_no_delete BEFORE DELETE ON {table} FOR EACH ROW "
            f"EXECUTE FUNCTION refuse_deletion_of_{table}()"
        )
    for table in (*APPEND_ONLY, reads.name):
        if table not in DELETABLE:
            yield _guard(f"{table}_no_delete", f"DELETE ON {table} FOR EACH ROW")
        yield _guard(f"{table}_no_truncate", f"TRUNCATE ON {table} FOR EACH STATEMENT")
    for table in APPEND_ONLY:
        if table != archives.name:
            yield _guard(f"{table}_no_update", f"UPDATE ON {table} FOR EACH ROW")
    yield _guard(
        "archives_no_update", f"UPDATE OF {', '.join(SAID_OF_ARCHIVE)} ON archives FOR EACH ROW"
    )
    yield _guard(
        "archives_deleted_once",
        "UPDATE ON archives FOR EACH ROW WHEN (OLD.deleted_at IS NOT NULL)",
    )
    yield _guard("reads_no_update", f"UPDATE OF {', '.join(BEGIN_OF_READ)} ON reads FOR EACH ROW")
    yield _guard("reads_end_once", "UPDATE ON reads FOR EACH ROW WHEN (OLD.outcome <> 'open')")


def _guards_of_deletion() -> Iterator[str]:
    """What says of each row whether it may be deleted."""
    for table, until in DELETABLE.items():
        yield (
            f"CREATE OR REPLACE FUNCTION refuse_deletion_of_{table}() RETURNS trigger LANGUAGE plpgsql AS "
            f"$$ BEGIN IF OLD.seq > ({until}) THEN RAISE EXCEPTION 'the ledger is append-only'; END IF; RETURN OLD; END $$"
        )


def _guard(name: str, what: str) -> str:
    return f"CREATE TRIGGER {name} BEFORE {what} EXECUTE FUNCTION refuse_change()"


def _make_partitions(connection: sa.Connection) -> None:
    """One partition a month, this month's and those to come. What no month takes goes to the one for others."""
    today: date = connection.exec_driver_sql("SELECT (now() AT TIME ZONE 'UTC')::date").scalar_one()
    made = _partitions(connection)
    for month in _months(today):
        start, end = f"{month:%Y-%m}", f"{_next(month):%Y-%m}"
        for table in _PARTITIONED:
            name = f"{table}_{month:%Y_%m}"
            if name not in made and not _stands_with_others(connection, table, start, end):
                connection.exec_driver_sql(
                    f"CREATE TABLE {name} PARTITION OF {table} FOR VALUES FROM ('{start}') TO ('{end}')"
                )


def _partitions(connection: sa.Connection) -> set[str]:
    """The names of those that there are."""
    found = connection.execute(
        sa.text(
            "SELECT relname FROM pg_class JOIN pg_inherits ON oid = inhrelid "
            "WHERE relnamespace = to_regnamespace(:schema)"
        ),
        {"schema": _schema(connection)},
    )
    return set(found.scalars())


def _stands_with_others(connection: sa.Connection, table: str, start: str, end: str) -> bool:
    """Whether records of these months were written when they had no partition."""
    by = _PARTITIONED[table]
    found = connection.execute(
        sa.text(f"SELECT 1 FROM {table}_other WHERE {by} >= :start AND {by} < :end LIMIT 1"),
        {"start": start, "end": end},
    )
    return found.first() is not None


def _months(today: date) -> Iterable[date]:
    month = today.replace(day=1)
    for _ in range(MONTHS_AHEAD):
        yield month
        month = _next(month)


def _next(month: date) -> date:
    return month.replace(year=month.year + month.month // 12, month=month.month % 12 + 1)


def _has(connection: sa.Connection, table: str) -> bool:
    found = connection.execute(
        sa.text("SELECT to_regclass(:name)"), {"name": f"{_schema(connection)}.{table}"}
    )
    return found.scalar_one() is not None


def _owns(connection: sa.Connection) -> bool:
    found = connection.execute(
        sa.text(
            "SELECT pg_has_role(relowner, 'USAGE') FROM pg_class WHERE oid = to_regclass(:name)"
        ),
        {"name": f"{_schema(connection)}.{_VERSION}"},
    )
    return bool(found.scalar_one())


def _schema(connection: sa.Connection) -> str:
    """The schema that the connection works in."""
    return str(connection.exec_driver_sql("SHOW search_path").scalar_one())
