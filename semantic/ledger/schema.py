"""The tables of the ledger, the same on every store.

`records` and `tiles` are append-only: the database refuses UPDATE and DELETE. `records.body` is the exact canonical JSON that is
hashed; the other columns repeat parts of it for look-ups. `tiles` keep hashes of the tree over all bodies.

`archives` says which records were moved into files, and only these can be deleted.

`reads` and `scopes` are an index of what bodies say, and `verify` compares them. Of a read only its end can be added. `agents` is a
registry, and the newest definition of an agent replaces the one before. `spending`, `reservations` and `breakers` change with every
transaction that concerns them, and from `erasable_values` and `journal` what is asked for is deleted.
"""

from collections.abc import Iterable

from sqlalchemy import (
    BigInteger,
    Column,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
    UniqueConstraint,
    literal_column,
)

from semantic.ledger.record import RecordKind

SCHEMA_VERSION = 5

metadata = MetaData()

_NUMBER = BigInteger().with_variant(Integer, "sqlite")
_MOMENT = String(27)

records = Table(
    "records",
    metadata,
    Column("seq", _NUMBER, primary_key=True, autoincrement=True),
    Column("record_id", String(36), nullable=False),
    Column("kind", String(16), nullable=False),
    Column("recorded_at", _MOMENT, nullable=False),
    Column("reader", String(200)),
    Column("acting_for", String(200)),
    Column("run_id", String(100)),
    Column("root_run_id", String(100)),
    Column("reason", String(40)),
    Column("body", LargeBinary, nullable=False),
    Column("stream", String(36)),
    Column("position", _NUMBER),
    UniqueConstraint("record_id", "kind"),
    Index("records_by_kind", "kind", "seq"),
    Index("records_by_place", "stream", "position", unique=True),
    sqlite_autoincrement=True,
)

# Written out, like `IS_NOT_ALLOWED` below.
IS_DECISION = records.c.kind == literal_column("'decision'")
Index(
    "decisions_by_run",
    records.c.run_id,
    sqlite_where=IS_DECISION,
    postgresql_where=IS_DECISION,
)

# One row for each metric of a read or a refusal. `seq` is that of its intent or refusal.
reads = Table(
    "reads",
    metadata,
    Column("seq", _NUMBER, primary_key=True, autoincrement=False),
    Column("metric", String(300), primary_key=True),
    Column("read_id", String(36), nullable=False),
    Column("at", _MOMENT, nullable=False),
    Column("reader", String(200)),
    Column("acting_for", String(200)),
    Column("team", String(200)),
    Column("run_id", String(100)),
    Column("root_run_id", String(100)),
    Column("data_version", String(64)),
    Column("definition_hash", String(64)),
    Column("covers_from", String(10)),
    Column("covers_to", String(10)),
    Column("scope", _NUMBER),
    Column("outcome", String(16), nullable=False),
    Column("reason", String(40)),
    Column("rows", _NUMBER),
    Column("ended_at", _MOMENT),
    Index("reads_by_metric", "metric", "at", "seq", "outcome", "reader", "acting_for", "rows"),
    Index("reads_by_time", "at"),
    Index("reads_by_days", "metric", "covers_from", "covers_to", "at", "seq"),
    Index("reads_by_reader", "reader", "at"),
    Index("reads_by_run", "run_id"),
    Index("reads_by_root_run", "root_run_id"),
    Index("reads_by_scope", "scope", "at", "seq", "metric"),
    Index("reads_by_version", "data_version", "at"),
    Index("reads_by_definition", "definition_hash", "at"),
)
# Written out, so that a database sees that the index of what is not allowed serves a question.
IS_NOT_ALLOWED = reads.c.outcome != literal_column("'allowed'")
for _column, _kept in (
    (reads.c.acting_for, reads.c.acting_for.isnot(None)),
    (reads.c.team, reads.c.team.isnot(None)),
    (reads.c.outcome, IS_NOT_ALLOWED),
):
    Index(
        f"reads_by_{_column.name}", _column, reads.c.at, sqlite_where=_kept, postgresql_where=_kept
    )

# What a query touches, by the hash of all of it: the dimensions it names, the relations it reads, the dbt models that build these.
scopes = Table(
    "scopes",
    metadata,
    Column("what", String(16), primary_key=True),
    Column("name", String(300), primary_key=True),
    Column("scope", _NUMBER, primary_key=True, autoincrement=False),
    Index("scopes_by_scope", "scope", "what", "name"),
)

# The hashes of 256 records each, and the root over them. `through` is the last of these records.
tiles = Table(
    "tiles",
    metadata,
    Column("number", Integer, primary_key=True, autoincrement=False),
    Column("through", _NUMBER, nullable=False, unique=True),
    Column("root", LargeBinary, nullable=False),
    Column("hashes", LargeBinary, nullable=False),
)

# The months that were moved into files: which records these hold, and the digest of the file. The record says the same.
archives = Table(
    "archives",
    metadata,
    Column("month", String(7), primary_key=True),
    Column("first", _NUMBER, nullable=False),
    Column("through", _NUMBER, nullable=False, unique=True),
    Column("before", _NUMBER, nullable=False),
    Column("records", _NUMBER, nullable=False),
    Column("digest", String(64), nullable=False),
    Column("deleted_at", _MOMENT),
)

agents = Table(
    "agents",
    metadata,
    Column("name", String(200), primary_key=True),
    Column("registered_at", _MOMENT, nullable=False),
    Column("definition_hash", String(64), nullable=False),
    Column("body", LargeBinary, nullable=False),
)

# Values that stand in a body by their digest, each with the key of it.
erasable_values = Table(
    "erasable_values",
    metadata,
    Column("digest", String(64), primary_key=True),
    Column("record_id", String(36), nullable=False),
    Column("key", LargeBinary, nullable=False),
    Column("value", Text, nullable=False),
)

# What was spent under a budget, by parts of its window, each with the second since 1970 until which it is kept.
spending = Table(
    "spending",
    metadata,
    Column("line", String(400), primary_key=True),
    Column("slice", _NUMBER, primary_key=True, autoincrement=False),
    Column("amount", _NUMBER, nullable=False),
    Column("kept_until", _NUMBER, nullable=False),
)

# What is reserved of it, for which record, and until when. It is contained in what was spent.
reservations = Table(
    "reservations",
    metadata,
    Column("record_id", String(36), primary_key=True),
    Column("line", String(400), primary_key=True),
    Column("slice", _NUMBER, nullable=False),
    Column("unit", String(16), nullable=False),
    Column("amount", _NUMBER, nullable=False),
    Column("until", _MOMENT, nullable=False),
    Index("reservations_by_until", "until"),
)

# Of what failed since it last answered: how often in a row, since when it is left alone, and when it was tried again.
breakers = Table(
    "breakers",
    metadata,
    Column("name", String(400), primary_key=True),
    Column("failures", Integer, nullable=False),
    Column("opened_at", _MOMENT),
    Column("tried_at", _MOMENT),
)

# What each call of a run came to, for the run that is tried again and for the one that is replayed. `body` is JSON.
journal = Table(
    "journal",
    metadata,
    Column("root_run_id", String(100), primary_key=True),
    Column("step", String(200), primary_key=True),
    Column("partition", String(200), primary_key=True),
    Column("attempt", Integer, primary_key=True, autoincrement=False),
    Column("call", String(200), primary_key=True),
    Column("run_id", String(100), nullable=False),
    Column("fingerprint", String(64), nullable=False),
    Column("ended_at", _MOMENT, nullable=False),
    Column("body", LargeBinary, nullable=False),
    Index("journal_by_end", "ended_at"),
)

# The view `agent_reads`, for who would rather ask in SQL: the reads with names for people, the same on every store.
AGENT_READS = """
SELECT
    read_id,
    metric,
    at AS read_at,
    reader AS agent,
    acting_for,
    team,
    run_id,
    root_run_id,
    data_version,
    definition_hash,
    covers_from AS data_from,
    covers_to AS data_to,
    outcome,
    reason,
    rows,
    ended_at
FROM reads
"""

# What is asked for long after, or signs, or says what was signed: where its month moves into a file, a copy of it stays.
STAYS = (
    RecordKind.POLICY,
    RecordKind.DEFINITION,
    RecordKind.DECISION,
    RecordKind.VERDICT,
    RecordKind.MEMORY,
    RecordKind.APPROVAL,
    RecordKind.RECALL,
    RecordKind.ACKNOWLEDGEMENT,
    RecordKind.EXPORT,
    RecordKind.TOKEN,
    RecordKind.ERASURE,
    RecordKind.CHECKPOINT,
    RecordKind.ARCHIVE,
    RecordKind.TOMBSTONE,
)
# What was decided, how it turned out, what was remembered, approved and sent elsewhere: it goes when its month is deleted.
_GOES_WITH_ITS_MONTH = (
    RecordKind.DECISION,
    RecordKind.VERDICT,
    RecordKind.MEMORY,
    RecordKind.APPROVAL,
    RecordKind.RECALL,
    RecordKind.ACKNOWLEDGEMENT,
    RecordKind.EXPORT,
)
STAYS_FOREVER = tuple(kind for kind in STAYS if kind not in _GOES_WITH_ITS_MONTH)


def _quoted(kinds: Iterable[RecordKind]) -> str:
    return ", ".join(f"'{kind.value}'" for kind in kinds)


# What a checkpoint covers, what it is found by, and what was not erased of it.
OF_THE_RECORD = (records, reads, scopes, tiles, archives, erasable_values)
APPEND_ONLY = ("records", "tiles", "scopes", "archives")
# What may be deleted after all, and only this: records that stand in a file, and of months that were deleted their reads.
ARCHIVED = "SELECT coalesce(max(through), 0) FROM archives"
DELETED = f"{ARCHIVED} WHERE deleted_at IS NOT NULL"
DELETABLE = {
    "records": f"CASE WHEN OLD.kind IN ({_quoted(STAYS_FOREVER)}) THEN 0 "
    f"WHEN OLD.kind IN ({_quoted(STAYS)}) THEN ({DELETED}) ELSE ({ARCHIVED}) END",
    "reads": DELETED,
}
END_OF_READ = ("outcome", "reason", "rows", "ended_at")
BEGIN_OF_READ = tuple(column.name for column in reads.c if column.name not in END_OF_READ)
SAID_OF_ARCHIVE = tuple(column.name for column in archives.c if column.name != "deleted_at")
