"""Whatever is changed in the database of a ledger, a checkpoint that is kept elsewhere tells."""

import itertools
import random
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from semantic.ledger import Ledger, MetricRead, ReadContext, Record, RecordKind, Touched, open_note
from semantic.ledger.note import Checkpoint
from semantic.ledger.postgres_schema import SCHEMA
from semantic.ledger.schema import metadata
from semantic.ledger.verify import verify
from tests.faults.figures import figures
from tests.faults.forging import (
    Refused,
    agree,
    changed_values,
    forget_the_end,
    rehash,
    run,
    swap,
    write_body,
)
from tests.postgres import PostgresServer

KEY = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
# What is no part of the record: the newest definitions of agents, what was spent, and what failed. Of erasable values what is kept is
# compared, and what was erased is not missed. The journal is what runs go on from, kept beside the record.
CHANGING = ("agents", "spending", "reservations", "breakers", "erasable_values", "journal")
# What the product writes of checkpoints and archives is no free text; archives are forged in their own tests.
MADE_BY_THE_PRODUCT = (RecordKind.CHECKPOINT, RecordKind.ARCHIVE, RecordKind.TOMBSTONE)
TABLES = [table for table in metadata.sorted_tables if table.name not in (*CHANGING, "archives")]
Change = Callable[[sa.Connection], object]


def record(number: int) -> Record:
    """One of each kind in turn, with something in every field. Of two reads one is ended."""
    kinds = [kind for kind in RecordKind if kind not in MADE_BY_THE_PRODUCT]
    kind = kinds[number % len(kinds)]
    is_end = kind is RecordKind.OUTCOME
    return Record(
        record_id=f"record-{number - 1}" if is_end else f"record-{number}",
        kind=kind,
        reader="ana",
        acting_for="bob",
        team="finance",
        context=ReadContext(
            run_id="run-2",
            root_run_id="run-1",
            step_key="step",
            call_id="call",
            purpose="to answer",
            trace_id="0af7651916cd43dd8448eb211c80319c",
            span_id="b7ad6b7169203331",
        ),
        reason=None if kind is RecordKind.INTENT or is_end else "stale",
        metrics=() if is_end else (metric("orders"), metric("revenue")),
        touches=Touched(dimensions=("store",), relations=("orders",), dbt_models=("model.orders",)),
        details={"rows": 3, "query": {"metrics": ["orders"]}, "notices": ["cut: more"]},
    )


def metric(name: str) -> MetricRead:
    return MetricRead(
        metric=name,
        data_version="v1",
        definition_hash="d1",
        covers_from=date(2024, 3, 1),
        covers_to=date(2024, 3, 5),
    )


def test_what_is_not_found_is_told_in_the_docs() -> None:
    told = (Path(__file__).parents[2] / "docs" / "reliability.md").read_text()
    promised, not_promised = told.split("## What is not promised")
    assert "not of those that change" in promised
    assert [name for name in CHANGING if f"`{name}`" not in not_promised] == []


@dataclass(frozen=True)
class Sealed:
    """A ledger whose newest checkpoint is kept elsewhere, and how it is written to by somebody who does not go through it."""

    engine: sa.Engine
    anchor: Checkpoint

    @property
    def name(self) -> str:
        return "SQLite" if self.engine.dialect.name == "sqlite" else "Postgres"

    def every(self, share: int) -> int:
        """Of how many trials one is made: on Postgres a walk takes ten times as long."""
        return share if self.name == "SQLite" else share * 10

    def is_found(self, *changes: Change) -> bool:
        """Whether a walk finds these changes, which are undone then."""
        with self.engine.connect() as connection:
            for change in changes:
                change(connection)
            highest = self._highest_number(connection)
            keys = [KEY.public_key()]
            found = verify(connection, keys, highest_number=highest, against=self.anchor)
            connection.rollback()
        return not found.is_whole

    def rows(self, statement: str, **values: Any) -> list[Any]:
        with self.engine.connect() as connection:
            return list(run(connection, statement, **values))

    def body(self, seq: int) -> bytes:
        [(body,)] = self.rows("SELECT body FROM records WHERE seq = :seq", seq=seq)
        return bytes(body)

    def of_each_kind(self) -> dict[str, int]:
        """The number of one record of each kind, all of them before the checkpoint that is kept elsewhere."""
        found = self.rows("SELECT kind, min(seq) FROM records GROUP BY kind")
        return {kind: seq for kind, seq in found if seq <= self.anchor.size}

    def _highest_number(self, connection: sa.Connection) -> int:
        if self.name == "Postgres":
            return 0
        return run(connection, "SELECT seq FROM sqlite_sequence").scalar_one() or 0


@pytest.fixture(scope="module", params=["sqlite", pytest.param("postgres", marks=pytest.mark.soak)])
def sealed(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Sealed]:
    """With so many records that their hashes are kept in a tile."""
    with _sealed(request, tmp_path_factory.mktemp("forged") / "ledger.db", 260) as made:
        yield made


@pytest.fixture(scope="module", params=["sqlite", "postgres"])
def small(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Sealed]:
    """With some records of each kind, for what is tried thousands of times."""
    with _sealed(request, tmp_path_factory.mktemp("small") / "ledger.db", 30) as made:
        yield made


@contextmanager
def _sealed(request: pytest.FixtureRequest, path: Path, count: int) -> Iterator[Sealed]:
    place: Path | str = path
    if request.param == "postgres":
        server: PostgresServer = request.getfixturevalue("postgres")
        place = server.new_ledger()
    ledger, other = Ledger.open(place, key=KEY), Ledger.open(place, key=KEY)
    for number in range(count):
        (other if number % 3 else ledger).append(record(number))
        if number == count // 2:
            ledger.seal()
    note = ledger.seal()
    ledger.close()
    other.close()
    assert note is not None
    engine = _by_hand(place)
    yield Sealed(engine, open_note(note, [KEY.public_key()]))
    engine.dispose()


def _by_hand(place: Path | str) -> sa.Engine:
    """Connections for which no trigger is in the way."""
    if isinstance(place, str):
        past_triggers = f"-c search_path={SCHEMA} -c session_replication_role=replica"
        return sa.create_engine(place, connect_args={"options": past_triggers})
    engine = sa.create_engine(f"sqlite:///{place}", poolclass=sa.pool.StaticPool)
    sa.event.listen(engine, "connect", _drop_triggers)
    sa.event.listen(engine, "begin", lambda connection: connection.exec_driver_sql("BEGIN"))
    return engine


def _drop_triggers(connection: Any, _: object) -> None:
    """And has SQLAlchemy, not the driver, begin transactions, in which savepoints work."""
    connection.isolation_level = None
    triggers = connection.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'")
    for (name,) in triggers.fetchall():
        connection.execute(f"DROP TRIGGER {name}")


def writing(seq: int, body: bytes) -> Change:
    return lambda connection: write_body(connection, seq, body)


def execute(statement: str, **values: Any) -> Change:
    return lambda connection: run(connection, statement, **values)


def test_what_nobody_touched_is_whole(sealed: Sealed) -> None:
    assert not sealed.is_found()
    assert not sealed.is_found(agree), "a forger knows how columns and the index come from bodies"
    assert not sealed.is_found(agree, rehash), "and how all is hashed"
    kinds = {RecordKind(kind) for kind in sealed.of_each_kind()}
    assert kinds == set(RecordKind) - {RecordKind.ARCHIVE, RecordKind.TOMBSTONE}


@pytest.mark.parametrize(
    "afterwards",
    [
        pytest.param([], id="alone"),
        pytest.param([agree], id="in columns and index too"),
        pytest.param([agree, rehash], id="and all after it hashed anew"),
    ],
)
@pytest.mark.parametrize(
    "share", [pytest.param(60, id="some"), pytest.param(1, id="all", marks=pytest.mark.soak)]
)
def test_every_value_of_every_kind_of_record(
    small: Sealed, afterwards: list[Change], share: int
) -> None:
    missed, tried = [], 0
    every = small.every(share)
    with figures(f"values of bodies forged, {len(afterwards)} steps after, {small.name}") as counts:
        for place, (kind, seq) in enumerate(small.of_each_kind().items()):
            for number, (name, forged) in enumerate(changed_values(small.body(seq))):
                if number % every == place % every and not is_undone(name, afterwards):
                    tried += 1
                    if not small.is_found(writing(seq, forged), *afterwards):
                        missed.append(f"{kind}: {name}")
        counts |= {"changes": tried, "missed": len(missed)}
    assert missed == []


def is_undone(name: str, afterwards: list[Change]) -> bool:
    """Hashing anew gives every record its own place again."""
    return rehash in afterwards and name in ("position changed", "previous changed")


@pytest.mark.parametrize(
    "every", [pytest.param(180), pytest.param(1, marks=pytest.mark.soak)], ids="every {}".format
)
def test_every_byte_of_every_kind_of_record(small: Sealed, every: int) -> None:
    chance = random.Random(1)
    missed, tried = [], 0
    every = small.every(every)
    with figures(f"bytes of bodies flipped, {small.name}") as counts:
        for kind, seq in small.of_each_kind().items():
            body = small.body(seq)
            for place in range(chance.randrange(every), len(body), every):
                forged = bytearray(body)
                forged[place] ^= 1 << chance.randrange(8)
                tried += 1
                if not small.is_found(writing(seq, bytes(forged))):
                    missed.append(f"{kind}: byte {place}")
        counts |= {"changes": tried, "missed": len(missed)}
    assert missed == []


Row = Mapping[str, Any]


def samples(sealed: Sealed, table: sa.Table) -> list[Row]:
    """The keys of rows of a table that differ in kind."""
    groups = {"records": "kind", "reads": "outcome, metric", "scopes": "what", "tiles": "number"}
    key = ", ".join(column.name for column in table.primary_key)
    numbered = f"SELECT {key}, row_number() OVER (PARTITION BY {groups[table.name]} ORDER BY {key}) AS place FROM {table.name}"
    found = sealed.rows(f"SELECT {key} FROM ({numbered}) AS numbered WHERE place = 1")
    return [row._asdict() for row in found]


def is_row(row: Row) -> str:
    """The condition that holds for this row."""
    return " AND ".join(f"{name} = :{name}" for name in row)


@pytest.mark.parametrize(
    "rows", [pytest.param(1, id="some"), pytest.param(99, id="all", marks=pytest.mark.soak)]
)
def test_every_column_of_every_table(sealed: Sealed, rows: int) -> None:
    missed, tried = [], 0
    with figures(f"columns forged, {sealed.name}") as counts:
        for table in TABLES:
            for place, column in enumerate(table.columns.keys()):
                of_each_kind = samples(sealed, table)
                first = place % len(of_each_kind)
                for row in (of_each_kind[first:] + of_each_kind[:first])[:rows]:
                    found = in_column(sealed, table.name, column, row)
                    tried += len(found)
                    missed += [
                        f"{table}.{column} of {row}: {it!r}" for it in found if not found[it]
                    ]
        counts |= {"changes": tried, "missed": len(missed)}
    assert missed == []


def in_column(sealed: Sealed, table: str, column: str, row: Row) -> dict[Any, bool]:
    """By what is put into a column of a row, whether it is found. What the database refuses is left out."""
    [(value,)] = sealed.rows(f"SELECT {column} FROM {table} WHERE {is_row(row)}", **row)
    statement = f"UPDATE {table} SET {column} = :other WHERE {is_row(row)}"
    found = {}
    for other in (item for item in others(value) if item != value):
        with suppress(Refused):
            found[other] = sealed.is_found(execute(statement, other=other, **row))
    return found


def others(value: Any) -> list[Any]:
    match value:
        case int():
            return [value + 1_000_000, -value - 1, "x", None]
        case bytes():
            return [value[:-1], bytes([value[0] ^ 1]) + value[1:], value + b"x", b"", None]
        case str():
            return [f"{value}x", value[:-1], value.swapcase() or "x", None]
        case _:
            return ["x", "", 1]


@pytest.mark.parametrize("table", TABLES, ids=lambda table: table.name)
def test_a_row_of_every_kind_deleted_or_put_in_twice(sealed: Sealed, table: sa.Table) -> None:
    key = list(table.primary_key)[-1].name
    columns = [column.name for column in table.columns]
    copied = (
        {key: f"{key} + 1000000" if key in ("seq", "number", "scope") else f"{key} || '1'"}
        | (
            {"record_id": "'other'", "position": "position + 1000000"}
            if table.name == "records"
            else {}
        )
        | ({"through": "through + 1"} if table.name == "tiles" else {})
    )
    put_in = ", ".join(copied.get(name, name) for name in columns)
    for row in samples(sealed, table):
        these = f"FROM {table.name} WHERE {is_row(row)}"
        assert sealed.is_found(execute(f"DELETE {these}", **row))
        doubled = f"INSERT INTO {table.name} ({', '.join(columns)}) SELECT {put_in} {these}"
        assert sealed.is_found(execute(doubled, **row))


CAREFULLY: list[Change] = [agree, rehash, forget_the_end]


@pytest.mark.parametrize("afterwards", [[], CAREFULLY], ids=["plainly", "carefully"])
def test_a_record_of_every_kind_deleted(sealed: Sealed, afterwards: list[Change]) -> None:
    for kind, seq in sealed.of_each_kind().items():
        change = execute("DELETE FROM records WHERE seq = :seq", seq=seq)
        assert sealed.is_found(change, *afterwards), kind


@pytest.mark.parametrize("afterwards", [[], CAREFULLY], ids=["plainly", "carefully"])
def test_records_of_any_two_kinds_in_another_order(
    sealed: Sealed, afterwards: list[Change]
) -> None:
    numbers = sorted(sealed.of_each_kind().values())
    for one, two in itertools.pairwise(numbers):
        assert sealed.is_found(lambda raw, a=one, b=two: swap(raw, a, b), *afterwards)


@pytest.mark.parametrize("afterwards", [[], CAREFULLY], ids=["plainly", "carefully"])
@pytest.mark.parametrize(
    "every", [pytest.param(60), pytest.param(1, marks=pytest.mark.soak)], ids="every {}".format
)
def test_an_end_of_any_length_cut_off(sealed: Sealed, afterwards: list[Change], every: int) -> None:
    """All but the last record, which is the checkpoint itself: nothing is kept elsewhere of what comes after."""
    missed = []
    ends = range(1, sealed.anchor.size + 1, sealed.every(every))
    with figures(f"ends cut off, {sealed.name}") as counts:
        for first in ends:
            change = execute("DELETE FROM records WHERE seq >= :first", first=first)
            if not sealed.is_found(change, *afterwards):
                missed.append(first)
        counts |= {"changes": len(ends), "missed": len(missed)}
    assert missed == []


def test_a_record_of_another_place_instead_of_one(sealed: Sealed) -> None:
    for seq in sealed.of_each_kind().values():
        body = sealed.body(seq + 20)
        assert sealed.is_found(writing(seq, body))
        assert sealed.is_found(writing(seq, body), rehash)
