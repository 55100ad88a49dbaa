"""A ledger of three months, on a store that tells its time."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from semantic.errors import LedgerUnavailable
from semantic.ledger import (
    ArchivedMonth,
    CountBy,
    Erasable,
    Ledger,
    MetricRead,
    ReadQuestion,
    Record,
    RecordKind,
    Touched,
    count_reads,
    find_reads,
)
from semantic.ledger.asked_queries import asked_queries
from semantic.ledger.moment import parsed
from semantic.ledger.postgres_store import PostgresStore
from semantic.ledger.sqlite_store import SqliteStore

KEY = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
MONTHS = ("2026-07", "2026-08", "2026-09")
READS = 60


class Clock:
    """The time of the database, and how many transactions it still lets through."""

    at = "2026-07-01T00:00:00.000Z"
    left: int | None = None

    def now(self, connection: sa.Connection) -> str:
        return self.at

    @contextmanager
    def writing(self, *, alone: bool = False) -> Iterator[sa.Connection]:
        with super().writing(alone=alone) as connection:  # type: ignore[misc]
            yield connection
            if self.left is not None:
                self.left -= 1
                if self.left < 0:
                    raise LedgerUnavailable("The power is gone")


class TimedSqlite(Clock, SqliteStore):
    pass


class TimedPostgres(Clock, PostgresStore):
    pass


@dataclass(frozen=True)
class Kept:
    """A ledger of three months with its store, which tells its time."""

    ledger: Ledger
    store: Any

    def everything(self) -> dict[str, Any]:
        """What people ask of it."""
        question = ReadQuestion()
        ids = [read.read_id for read in find_reads(self.ledger, question)]
        return {
            "reads": list(find_reads(self.ledger, question)),
            "counts": count_reads(self.ledger, question, by=(CountBy.METRIC, CountBy.OUTCOME)),
            "by id": list(find_reads(self.ledger, ReadQuestion(read=ids[::40]))),
            "of decisions": list(find_reads(self.ledger, ReadQuestion(decision="decided 2026-07"))),
            "asked": asked_queries(
                self.ledger, since=parsed("2026-07-05T00:00:00.000Z"), without_reader="nobody"
            ),
            "bodies": [self.ledger.body(item, RecordKind.OUTCOME) for item in ids[::40]],
        }


def records_of(month: str, number: int) -> Iterator[Record]:
    """A read, or each tenth time a refusal."""
    read_id, is_refused = f"{month} {number}", number % 10 == 9
    yield Record(
        record_id=read_id,
        kind=RecordKind.REFUSAL if is_refused else RecordKind.INTENT,
        reader=f"agent {number % 3}",
        reason="no_grant" if is_refused else None,
        metrics=(MetricRead(metric=f"metric {number % 4}", data_version="v1"),),
        touches=Touched(dimensions=("region",)),
        details={
            "query": {"metrics": ["orders"], "group_by": ["region"], "filters": []},
            "who": Erasable(f"jane of {month}"),
        },
    )
    if not is_refused:
        yield Record(record_id=read_id, kind=RecordKind.OUTCOME, details={"rows": number})


def write(kept: Kept) -> Kept:
    """In each month a policy, reads and a decision; then so much that all of it is in the tree."""
    for month in MONTHS:
        kept.store.at = f"{month}-01T00:00:00.000Z"
        kept.ledger.publish_policy(f"policy of {month}", "{}", by="ana", run_id=None)
        for day in range(1, 1 + READS // 10):
            kept.store.at = f"{month}-{day:02}T08:00:00.000Z"
            append(
                kept, *(it for number in range(10) for it in records_of(month, 10 * day + number))
            )
        decided = {
            "reads": [f"{month} 13", f"{month} 14"],
            "decision": Erasable(f"refund Joan of {month}"),
        }
        append(
            kept, Record(record_id=f"decided {month}", kind=RecordKind.DECISION, details=decided)
        )
    kept.store.at = "2026-10-01T00:00:00.000Z"
    append(kept, *others("later", 256))
    kept.ledger.seal()
    return kept


def append(kept: Kept, *records: Record) -> None:
    with kept.ledger.transaction() as transaction:
        for record in records:
            transaction.add(record)


def others(name: str, count: int) -> Iterator[Record]:
    for number in range(count):
        yield Record(record_id=f"{name} {number}", kind=RecordKind.MODEL_CALL)


def opened(place: Path | str, archive: Path) -> Kept:
    store = TimedSqlite(place) if isinstance(place, Path) else TimedPostgres(place)
    store.at = "2026-10-01T00:00:00.000Z"
    return Kept(Ledger(store, key=KEY, archive=archive), store)


def months_of(kept: Kept) -> list[ArchivedMonth]:
    with kept.ledger.reading() as connection:
        return kept.ledger.archive.months(connection)
