"""What other processes do to a ledger while it is in use."""

import fcntl
import os
import resource
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import timedelta
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from semantic.errors import LedgerUnavailable
from semantic.ledger import Ledger, MetricRead, Record, RecordKind
from tests.faults.forks import FORKS
from tests.faults.skewed import SkewedStore

NOBODY = 65534


@contextmanager
def process(act: Any, *arguments: Any) -> Iterator[Connection]:
    """Another process, with a connection to what it tells. It is killed where it does not end by itself."""
    ours, theirs = FORKS.Pipe()
    running = FORKS.Process(target=act, args=(theirs, *arguments))
    running.start()
    theirs.close()
    try:
        yield ours
        running.join(300)
    finally:
        running.kill()
        running.join()
        running.close()
        ours.close()


def hold_lock(pipe: Connection, path: Path) -> None:
    """Holds the lock under which ledgers are written, until it is killed or told to end."""
    with Path(f"{path}.lock").open("a+") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        pipe.send("held")
        with suppress(EOFError):
            pipe.recv()


def read_older_state(pipe: Connection, path: Path) -> None:
    """Reads the ledger as it is now, until it is killed or told to end."""
    ledger = Ledger.open(path)
    with ledger.reading() as connection:
        connection.exec_driver_sql("SELECT count(*) FROM records").scalar_one()
        pipe.send("reading")
        with suppress(EOFError):
            pipe.recv()
    ledger.close()


def append_skewed(
    pipe: Connection, place: Path | str, name: str, skew: timedelta, count: int
) -> None:
    """Appends with a clock that is wrong, a record each time it is told to."""
    ledger = Ledger(SkewedStore(place, skew))
    for number in range(count):
        pipe.recv()
        ledger.append(_refusal(f"{name} {number}"))
        pipe.send("appended")
    ledger.close()


def append_for(pipe: Connection, path: Path, name: str, seconds: float) -> None:
    """Appends one record after the other for so long, from when it is told to begin, and tells how many they were."""
    ledger = Ledger.open(path)
    pipe.send("opened")
    pipe.recv()
    count, deadline = 0, time.monotonic() + seconds
    while time.monotonic() < deadline:
        ledger.append(_refusal(f"{name} {count}"))
        count += 1
    pipe.send(count)
    ledger.close()


def append_unprivileged(pipe: Connection, path: Path) -> None:
    """Opens and appends as one who may read files of others and no more, and tells what became of it."""
    Ledger.in_memory().close()  # loads the driver, which this user may not be allowed to read
    if os.geteuid() == 0:
        os.setgroups([])
        os.setgid(NOBODY)
        os.setuid(NOBODY)
    try:
        ledger = Ledger.open(path)
        ledger.append(_refusal("unprivileged"))
        pipe.send("appended")
    except LedgerUnavailable as error:
        pipe.send(error.message)


def append_with_little_room(pipe: Connection, path: Path, room: int) -> None:
    """Appends until its files may not grow any more, and then with room again. Tells the ids of what was acknowledged, and of what not."""
    ledger = Ledger.open(path)
    ledger.append(_refusal("before"))
    largest = max(item.stat().st_size for item in path.parent.iterdir())
    _, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (largest + room, hard))
    acknowledged, refused = ["before"], []
    for number in range(40):
        try:
            ledger.append(_refusal(f"{number}"))
            acknowledged.append(f"{number}")
        except LedgerUnavailable:
            refused.append(f"{number}")
    resource.setrlimit(resource.RLIMIT_FSIZE, (hard, hard))
    ledger.append(_refusal("after"))
    pipe.send(([*acknowledged, "after"], refused))
    ledger.close()


def _refusal(record_id: str) -> Record:
    return Record(
        record_id=record_id, kind=RecordKind.REFUSAL, metrics=(MetricRead(metric="orders"),)
    )
