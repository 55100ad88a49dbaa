"""Whatever is done to the record is found, and the first record that it concerns is named."""

import re
import shutil
import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from semantic.ledger import Ledger, MetricRead, Record, RecordKind, Touched
from semantic.ledger.finding import Harm
from semantic.ledger.note import Checkpoint, open_note
from semantic.ledger.tree import Leaves, leaf_hash, root_hash
from semantic.ledger.verify import Verified
from semantic.ledger.verify import verify as verify_records

KEY = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
COUNT = 700
Change = Callable[[sqlite3.Connection], object]


def record(number: int) -> Record:
    """A refusal; the last two are the intent of a read and its outcome."""
    if number == COUNT:
        return Record(record_id="read", kind=RecordKind.OUTCOME, reader="ana", details={"rows": 3})
    return Record(
        record_id="read" if number == COUNT - 1 else f"r-{number}",
        kind=RecordKind.INTENT if number == COUNT - 1 else RecordKind.REFUSAL,
        reader="ana",
        metrics=(MetricRead(metric="orders", data_version="v1"),),
        touches=Touched(dimensions=("store",)),
    )


@pytest.fixture(scope="module")
def sealed(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Checkpoint]:
    """A ledger of two streams with a checkpoint after 600 records and the 100 that come next, and a checkpoint kept elsewhere."""
    path = tmp_path_factory.mktemp("sealed") / "ledger.db"
    ledger, other = Ledger.open(path, key=KEY), Ledger.open(path, key=KEY)
    note = None
    for number in range(1, COUNT + 1):
        (ledger if number % 3 else other).append(record(number))
        if number in (300, 600):
            note = ledger.seal()
    ledger.close()
    other.close()
    assert note is not None
    return path, open_note(note, [KEY.public_key()])


@pytest.fixture(
    params=[(256,), pytest.param((5_000, 256, 70, 1), marks=pytest.mark.soak)],
    ids="{} at once".format,
)
def verify(
    request: pytest.FixtureRequest, sealed: tuple[Path, Checkpoint], tmp_path: Path
) -> Iterator[Callable[..., Verified]]:
    """Verifies the ledger after a change to its file, of which triggers and foreign keys know nothing."""
    path, anchor = sealed

    def verify(*changes: str | Change, anchored: bool = False) -> Verified:
        copy = Path(shutil.copytree(path.parent, tmp_path / "copy")) / path.name
        with sqlite3.connect(copy) as connection:
            drop_triggers(connection)
            for change in changes:
                connection.execute(change) if isinstance(change, str) else change(connection)
        connection.close()
        ledger = Ledger.open(copy, key=KEY)
        try:
            with ledger.reading() as connection:
                found = [
                    verify_records(
                        connection,
                        [KEY.public_key()],
                        highest_number=highest(connection),
                        against=anchor if anchored else None,
                        at_once=at_once,
                    )
                    for at_once in request.param
                ]
        finally:
            ledger.close()
        assert found[1:] == found[:-1], "it does not matter how many are looked through at once"
        return found[0]

    return verify


def test_a_ledger_that_nobody_touched_is_whole(verify: Callable[..., Verified]) -> None:
    found = verify(anchored=True)
    assert found.is_whole
    assert (found.records, found.streams, found.checkpoints) == (COUNT + 2, 2, 2)
    assert found.exposed == COUNT + 2 - 601


def drop_triggers(connection: sqlite3.Connection) -> None:
    found = connection.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'").fetchall()
    for (trigger,) in found:
        connection.execute(f"DROP TRIGGER {trigger}")


def highest(connection: sa.Connection) -> int:
    return int(connection.exec_driver_sql("SELECT seq FROM sqlite_sequence").scalar_one())


def body_of(connection: sqlite3.Connection, seq: int) -> bytes:
    [(body,)] = connection.execute("SELECT body FROM records WHERE seq = ?", [seq]).fetchall()
    return bytes(body)


def edit_body(seq: int) -> Change:
    def change(connection: sqlite3.Connection) -> None:
        body = body_of(connection, seq).replace(b'"orders"', b'"profit"')
        connection.execute("UPDATE records SET body = ? WHERE seq = ?", [body, seq])
        connection.execute("UPDATE reads SET metric = 'profit' WHERE seq = ?", [seq])

    return change


def far_away(seq: int) -> Change:
    """A place so far behind that nobody could count up to it."""

    def change(connection: sqlite3.Connection) -> None:
        place = 10**15
        body = re.sub(rb'"position":\d+', b'"position":%d' % place, body_of(connection, seq))
        connection.execute(
            "UPDATE records SET body = ?, position = ? WHERE seq = ?", [body, place, seq]
        )

    return change


def rehash(*, tiles: bool = True) -> Change:
    """What a careful forger does next: every stream is given new positions and hashes, and the tiles too."""

    def change(connection: sqlite3.Connection) -> None:
        ends: dict[str, tuple[int, str]] = {}
        hashes = []
        for seq, stream, body in connection.execute(
            "SELECT seq, stream, body FROM records ORDER BY seq"
        ).fetchall():
            position, previous = ends.get(stream, (0, ""))
            new = re.sub(
                rb'"position":\d+,"previous":"[0-9a-f]*"',
                b'"position":%d,"previous":"%b"' % (position + 1, previous.encode()),
                body,
                count=1,
            )
            ends[stream] = position + 1, leaf_hash(new).hex()
            hashes.append(leaf_hash(new))
            connection.execute(
                "UPDATE records SET body = ?, position = -? WHERE seq = ?", [new, position + 1, seq]
            )
        connection.execute("UPDATE records SET position = -position")
        if tiles:
            for (number,) in connection.execute("SELECT number FROM tiles").fetchall():
                leaves = hashes[number * 256 : number * 256 + 256]
                connection.execute(
                    "UPDATE tiles SET hashes = ?, root = ? WHERE number = ?",
                    [b"".join(leaves), root_hash(Leaves(leaves), 256), number],
                )

    return change


def delete(first: int, last: int) -> str:
    return f"DELETE FROM records WHERE seq BETWEEN {first} AND {last}"


def unindex(first: int, last: int) -> str:
    return f"DELETE FROM reads WHERE seq BETWEEN {first} AND {last}"


def swap(one: int, two: int) -> list[str]:
    return [
        f"UPDATE {table} SET seq = CASE seq WHEN {one} THEN -{two} ELSE -{one} END WHERE seq IN ({one}, {two})"
        for table in ("records", "reads")
    ] + [f"UPDATE {table} SET seq = -seq WHERE seq < 0" for table in ("records", "reads")]


INVENT_A_READ = "INSERT INTO reads (seq, metric, read_id, at, outcome) VALUES (900, 'orders', 'x', '2026', 'allowed')"
FORGET_THE_END = "UPDATE sqlite_sequence SET seq = (SELECT max(seq) FROM records)"


@pytest.mark.parametrize(
    ("changes", "harm", "seq"),
    [
        ([edit_body(100)], Harm.EDITED, 100),
        ([edit_body(690)], Harm.EDITED, 690),
        ([edit_body(100), rehash(tiles=False)], Harm.EDITED, 100),
        (["UPDATE records SET reader = 'bob' WHERE seq = 100"], Harm.EDITED, 100),
        (["UPDATE records SET recorded_at = '2020' WHERE seq = 100"], Harm.EDITED, 100),
        (["UPDATE records SET stream = 'x' WHERE seq = 100"], Harm.EDITED, 100),
        (["UPDATE records SET body = '{' WHERE seq = 100"], Harm.EDITED, 100),
        (["UPDATE records SET body = '[]' WHERE seq = 100"], Harm.EDITED, 100),
        (["UPDATE records SET body = '{\"stream\": 1}' WHERE seq = 100"], Harm.EDITED, 100),
        (["UPDATE records SET body = '{\"record\": {}}' WHERE seq = 602"], Harm.EDITED, 602),
        (["UPDATE records SET body = '{' WHERE seq = 602"], Harm.EDITED, 602),
        (["UPDATE reads SET metric = 'x' WHERE seq = 100"], Harm.EDITED, 100),
        (["UPDATE reads SET reader = 'bob' WHERE seq = 100"], Harm.EDITED, 100),
        (["UPDATE reads SET outcome = 'allowed' WHERE seq = 100"], Harm.EDITED, 100),
        (["UPDATE reads SET rows = 4 WHERE seq = 701"], Harm.EDITED, 701),
        (["UPDATE reads SET outcome = 'open' WHERE seq = 701"], Harm.EDITED, 701),
        ([INVENT_A_READ], Harm.EDITED, 702),
        (["DELETE FROM scopes"], Harm.EDITED, 702),
        (["INSERT INTO scopes VALUES ('dimension', 'x', 1)"], Harm.EDITED, 702),
        ([unindex(100, 100)], Harm.EDITED, 100),
        (["UPDATE tiles SET root = zeroblob(32) WHERE number = 1"], Harm.EDITED, 512),
        (["UPDATE tiles SET through = 255 WHERE number = 0"], Harm.EDITED, 256),
        (["UPDATE tiles SET hashes = hashes || x'00' WHERE number = 0"], Harm.EDITED, 256),
        (["DELETE FROM tiles WHERE number = 1"], Harm.DELETED, 512),
        (["INSERT INTO tiles SELECT 7, 600, root, hashes FROM tiles LIMIT 1"], Harm.INSERTED, 702),
        ([far_away(100)], Harm.REORDERED, 100),
        ([delete(100, 100), unindex(100, 100)], Harm.DELETED, 101),
        ([delete(100, 103), unindex(100, 103)], Harm.DELETED, 104),
        ([delete(100, 103), unindex(100, 103), rehash(tiles=False)], Harm.EDITED, 104),
        (swap(100, 103), Harm.REORDERED, 100),
        (swap(100, 102), Harm.REORDERED, 100),
        ([delete(650, 702), unindex(650, 702)], Harm.TRUNCATED, 650),
        (
            [delete(500, 702), unindex(500, 702), "DELETE FROM tiles WHERE number > 0"],
            Harm.TRUNCATED,
            500,
        ),
    ],
)
def test_the_first_record_that_is_concerned_is_named(
    verify: Callable[..., Verified], changes: list[str | Change], harm: Harm, seq: int
) -> None:
    found = verify(*changes)
    assert (found.findings[0].harm, found.findings[0].seq) == (harm, seq)


def test_a_forger_who_hashes_all_anew_cannot_sign(verify: Callable[..., Verified]) -> None:
    found = verify(edit_body(400), rehash())
    assert [(item.harm, item.seq) for item in found.findings] == [(Harm.EDITED, 301)]
    assert "of other records, from this one or a later one on" in found.findings[0].text


def test_several_processes_find_it_too(
    sealed: tuple[Path, Checkpoint], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("semantic.ledger.sealer.FEWEST_DIVIDED", 0)
    copy = Path(shutil.copytree(sealed[0].parent, tmp_path / "copy")) / sealed[0].name
    with sqlite3.connect(copy) as connection:
        drop_triggers(connection)
        edit_body(100)(connection)
    connection.close()
    ledger = Ledger.open(copy, key=KEY)
    found = ledger.verify(processes=2)
    assert found == ledger.verify()
    assert found.findings[0].seq == 100
    ledger.close()


def test_what_was_changed_later_does_not_hide_it(verify: Callable[..., Verified]) -> None:
    found = verify(edit_body(400), rehash(), "UPDATE reads SET rows = 4 WHERE seq = 701")
    assert [(item.harm, item.seq) for item in found.findings] == [
        (Harm.EDITED, 301),
        (Harm.EDITED, 701),
    ]


def test_an_end_that_is_cut_off_without_a_trace_is_found_by_a_checkpoint_elsewhere(
    verify: Callable[..., Verified],
) -> None:
    cut = (
        delete(590, 702),
        unindex(590, 702),
        "DELETE FROM tiles WHERE number > 1",
        FORGET_THE_END,
    )
    assert verify(*cut).is_whole is True


def test_and_with_the_checkpoint_it_is_rolled_back(verify: Callable[..., Verified]) -> None:
    found = verify(
        delete(590, 702),
        unindex(590, 702),
        "DELETE FROM tiles WHERE number > 1",
        FORGET_THE_END,
        anchored=True,
    )
    assert [(item.harm, item.seq) for item in found.findings] == [(Harm.ROLLED_BACK, 590)]
    assert "covers 601 records, and there are 589" in found.findings[0].text
