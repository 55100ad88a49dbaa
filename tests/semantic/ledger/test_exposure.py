"""What no checkpoint covers stays within its bound for as long as somebody writes, and nobody's record waits for that."""

import logging
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from semantic.ledger import Ledger, MetricRead, MostExposed, Record, RecordKind
from semantic.ledger.chain import content_of
from semantic.ledger.schema import records
from semantic.ledger.sealing import seal_of
from tests.faults.skewed import SkewedStore

ROOT = Path(__file__).parents[3]
FEW = MostExposed(records=10, seconds=3600)
SHORT = MostExposed(records=1_000, seconds=60)
KEY = Ed25519PrivateKey.generate()


def refusal(name: str) -> Record:
    return Record(record_id=name, kind=RecordKind.REFUSAL, metrics=(MetricRead(metric="orders"),))


def sizes(ledger: Ledger) -> list[int]:
    """How many records each checkpoint covers, in order."""
    with ledger.reading() as connection:
        bodies = connection.scalars(
            sa.select(records.c.body)
            .where(records.c.kind == RecordKind.CHECKPOINT.value)
            .order_by(records.c.seq)
        )
        return [seal_of(content_of(body)["details"]).size for body in bodies]


def exposed(ledger: Ledger) -> int:
    return ledger.verify().exposed


def test_who_writes_a_record_too_many_seals(place: Path | str) -> None:
    ledger = Ledger.open(place, key=KEY, most_exposed=FEW)
    for number in range(35):
        ledger.append(refusal(f"read {number}"))
        assert exposed(ledger) < FEW.records
    assert sizes(ledger) == [10, 20, 30]
    assert ledger.verify().is_whole
    ledger.close()


def test_what_many_threads_write_is_sealed_once_by_one_of_them(place: Path | str) -> None:
    ledger = Ledger.open(place, key=KEY, most_exposed=FEW)
    with ThreadPoolExecutor(16) as pool:
        assert all(pool.map(lambda number: ledger.append(refusal(f"read {number}")), range(200)))
    ledger.append(refusal("last"))
    found = sizes(ledger)
    assert found == sorted(set(found))
    assert len(found) <= 20
    assert exposed(ledger) < FEW.records
    assert ledger.verify().is_whole
    ledger.close()


def test_a_record_that_is_too_old_is_sealed_by_who_writes_the_next(place: Path | str) -> None:
    store = SkewedStore(place)
    ledger = Ledger(store, key=KEY, most_exposed=SHORT)
    ledger.append(refusal("a"))
    store.skew = timedelta(seconds=50)
    ledger.append(refusal("b"))
    assert sizes(ledger) == []
    store.skew = timedelta(seconds=70)
    ledger.append(refusal("c"))
    assert sizes(ledger) == [3]
    store.skew = timedelta(seconds=500)
    ledger.append(refusal("d"))
    assert sizes(ledger) == [3], "it is new, and nothing before it is exposed but the checkpoint"
    store.skew = timedelta(seconds=570)
    ledger.append(refusal("e"))
    assert sizes(ledger) == [3, 6]
    ledger.close()


def test_what_a_process_that_is_gone_left_exposed_is_sealed_by_the_next(
    place: Path | str,
) -> None:
    store = SkewedStore(place)
    one = Ledger(store, key=KEY, most_exposed=SHORT)
    one.append(refusal("a"))
    two = Ledger(store, key=KEY, most_exposed=SHORT)
    store.skew = timedelta(hours=1)
    two.append(refusal("b"))
    assert sizes(two) == [2]
    two.close()


def test_records_of_a_clock_that_was_set_back_are_sealed_too(tmp_path: Path) -> None:
    store = SkewedStore(tmp_path / "ledger.db")
    ledger = Ledger(store, key=KEY, most_exposed=SHORT)
    store.skew = timedelta(days=300)
    ledger.append(refusal("a"))
    store.skew = timedelta()
    ledger.append(refusal("b"))
    assert sizes(ledger) == [2]
    ledger.close()


def test_a_seal_that_fails_fails_no_write_and_is_tried_again(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    ledger = Ledger.open(tmp_path / "ledger.db", most_exposed=FEW)
    key = tmp_path / "signing.key"
    key.write_text("nonsense")
    with caplog.at_level(logging.WARNING):
        assert all(ledger.append(refusal(f"read {number}")) for number in range(15))
    [told] = [item.getMessage() for item in caplog.records]
    assert told.startswith("The record could not be sealed, which is tried again later: ")
    assert "signing.key is damaged" in told
    assert sizes(ledger) == []

    key.unlink()
    for number in range(15, 21):
        assert ledger.append(refusal(f"read {number}"))
    assert sizes(ledger) == [20]
    ledger.close()


@pytest.mark.parametrize("keys", ["none", "empty", "of another host"])
def test_who_has_not_the_key_writes_and_seals_nothing(
    place: Path | str, tmp_path: Path, keys: str, caplog: pytest.LogCaptureFixture
) -> None:
    elsewhere = tmp_path / "elsewhere"
    signing = Ledger.open(place, keys=tmp_path / "keys", most_exposed=FEW)
    if keys == "of another host":
        signing.append(refusal("first"))
        signing.seal()
        other = Ledger.open(tmp_path / "another" / "ledger.db", keys=elsewhere)
        other.append(refusal("first"))
        other.seal()
        other.close()
    before = sizes(signing)
    ledger = Ledger(
        SkewedStore(place), keys=None if keys == "none" else elsewhere, most_exposed=FEW
    )
    for number in range(25):
        ledger.append(refusal(f"read {number}"))
    if keys == "empty" and isinstance(place, Path):
        assert sizes(signing) == [10, 20], "a file's own keys are made by who writes first"
    else:
        assert sizes(signing) == before
        assert (elsewhere / "signing.key").exists() is (keys == "of another host")
        signing.append(refusal("last"))
        assert len(sizes(signing)) == len(before) + (signing.path is not None or bool(before))
    assert not caplog.records
    ledger.close()
    signing.close()


_PROCESS = """
import sys
from pathlib import Path
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from semantic.ledger import Ledger, MostExposed, Record, RecordKind
place, key, name = sys.argv[1:]
ledger = Ledger.open(
    place if "://" in place else Path(place),
    key=Ed25519PrivateKey.from_private_bytes(bytes.fromhex(key)),
    most_exposed=MostExposed(records=5, seconds=3600),
)
for number in range(40):
    ledger.append(Record(record_id=f"{name} {number}", kind=RecordKind.REFUSAL))
ledger.close()
"""


def test_processes_do_not_seal_the_same_twice(place: Path | str) -> None:
    ledger = Ledger.open(place, key=KEY)
    key = KEY.private_bytes_raw().hex()
    url = str(place)
    started = [
        subprocess.Popen(
            [sys.executable, "-c", _PROCESS, url, key, f"process {number}"],
            cwd=ROOT,
            env=os.environ | {"PYTHONPATH": str(ROOT)},
        )
        for number in range(3)
    ]
    assert [process.wait(timeout=300) for process in started] == [0, 0, 0]
    found = sizes(ledger)
    assert found == sorted(set(found)), "each covers more than the one before"
    verified = ledger.verify()
    assert verified.is_whole
    assert verified.exposed <= 5 + len(started)
    assert verified.records == 120 + len(found)
    ledger.close()
