"""The tables of the ledger.

`records`, `read_metrics` and `tiles` are append-only: triggers refuse UPDATE and DELETE. `records.body` is the exact canonical JSON
that is hashed; the other columns repeat parts of it for look-ups. `tiles` keep hashes of the tree over all bodies. `agents` is a
registry, and the newest definition of an agent replaces the one before.
"""

from sqlalchemy import (
    Column,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    UniqueConstraint,
)

SCHEMA_VERSION = 2

metadata = MetaData()

records = Table(
    "records",
    metadata,
    Column("seq", Integer, primary_key=True, autoincrement=True),
    Column("record_id", String(36), nullable=False),
    Column("kind", String(16), nullable=False),
    Column("recorded_at", String(27), nullable=False),
    Column("reader", String(200)),
    Column("acting_for", String(200)),
    Column("run_id", String(100)),
    Column("root_run_id", String(100)),
    Column("reason", String(40)),
    Column("body", LargeBinary, nullable=False),
    Column("stream", String(36)),
    Column("position", Integer),
    UniqueConstraint("record_id", "kind"),
    Index("records_by_reader", "reader", "recorded_at"),
    Index("records_by_run", "run_id"),
    Index("records_by_kind", "kind", "seq"),
    Index("records_by_place", "stream", "position", unique=True),
    sqlite_autoincrement=True,
)

read_metrics = Table(
    "read_metrics",
    metadata,
    Column("seq", Integer, ForeignKey("records.seq"), primary_key=True),
    Column("metric", String(300), primary_key=True),
    Column("record_id", String(36), nullable=False),
    Column("recorded_at", String(27), nullable=False),
    Column("data_version", String(64)),
    Column("definition_hash", String(64)),
    Column("covers_from", String(10)),
    Column("covers_to", String(10)),
    Index("read_metrics_by_metric", "metric", "recorded_at"),
    Index("read_metrics_by_days", "metric", "covers_from", "covers_to"),
)

# The hashes of 256 records each, and the root over them. `through` is the last of these records.
tiles = Table(
    "tiles",
    metadata,
    Column("number", Integer, primary_key=True, autoincrement=False),
    Column("through", Integer, ForeignKey("records.seq"), nullable=False, unique=True),
    Column("root", LargeBinary, nullable=False),
    Column("hashes", LargeBinary, nullable=False),
)

agents = Table(
    "agents",
    metadata,
    Column("name", String(200), primary_key=True),
    Column("registered_at", String(27), nullable=False),
    Column("definition_hash", String(64), nullable=False),
    Column("body", LargeBinary, nullable=False),
)

APPEND_ONLY = ("records", "read_metrics", "tiles")


def append_only_triggers() -> list[str]:
    """SQLite statements that make the record refuse to be changed."""
    return [
        f"CREATE TRIGGER IF NOT EXISTS {table}_no_{verb.lower()} BEFORE {verb} ON {table} "
        f"BEGIN SELECT RAISE(ABORT, 'the ledger is append-only'); END"
        for table in APPEND_ONLY
        for verb in ("UPDATE", "DELETE")
    ]


def migrations() -> dict[int, list[str]]:
    """By version, the SQLite statements that make a ledger of the version before into one of it. New tables are made afterwards."""
    return {
        2: [
            "ALTER TABLE records ADD COLUMN stream VARCHAR(36)",
            "ALTER TABLE records ADD COLUMN position INTEGER",
            "CREATE UNIQUE INDEX records_by_place ON records (stream, position)",
        ]
    }
