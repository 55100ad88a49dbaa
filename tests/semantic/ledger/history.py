"""A made-up history of reads over some months, and what its records say, read without the index."""

import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from random import Random
from typing import Any

import sqlalchemy as sa

from semantic.ledger import Ledger, MetricRead, ReadContext, Record, RecordKind, Touched
from semantic.ledger.postgres_store import PostgresStore
from semantic.ledger.sqlite_store import SqliteStore
from semantic.ledger.store import Store

READS = 90
BEGIN = datetime(2026, 8, 30, 22, 30)  # noqa: DTZ001 - UTC
METRICS = ("orders", "revenue", "refunds", "visits")
READERS = ("ana", "watch_north", "watch_south")
USERS = (None, None, "bob", "ana")
TEAMS = {"ana": None, "watch_north": "north", "watch_south": "south"}
DIMENSIONS = ("store", "customer__country", "metric_time")
RELATIONS = ('"shop"."main"."orders"', '"shop"."main"."visits"', '"shop"."other"."orders"')
DBT_MODELS = ("model.shop.orders", "model.shop.visits", "model.other.orders")
REASONS = ("not_available", "stale", "timed_out")
DECISIONS = ("decision-1", "decision-2")

Row = dict[str, Any]


@dataclass
class Clock:
    """A time that is told by whoever writes."""

    at: datetime = field(default=BEGIN)

    @property
    def stamp(self) -> str:
        return f"{self.at.isoformat(timespec='milliseconds')}Z"


def clocked(store: Store, clock: Clock) -> Store:
    """A store that takes its time from a clock instead of the database."""
    kind = type(store)
    assert kind in (SqliteStore, PostgresStore)
    store.now = lambda connection: clock.stamp  # type: ignore[method-assign]
    return store


def write_history(ledger: Ledger, clock: Clock, *, reads: int = READS, seed: int = 7) -> None:
    """Reads of one or two metrics: allowed, refused at the door, refused later, indeterminate, and open ones; and two decisions."""
    random = Random(seed)
    ids = []
    for number in range(reads):
        clock.at += timedelta(minutes=random.choice([0, 0, 1, 90, 60 * 24 * 4]))
        read_id = f"read-{number:03}"
        ids.append(read_id)
        begun, ended = _records(random, read_id)
        ledger.append(begun)
        if ended:
            clock.at += timedelta(seconds=1)
            ledger.append(ended)
    for decision in DECISIONS:
        details = {"reads": random.sample(ids, min(5, len(ids)))}
        ledger.append(Record(record_id=decision, kind=RecordKind.DECISION, details=details))


def _records(random: Random, read_id: str) -> tuple[Record, Record | None]:
    reader = random.choice(READERS)
    run = f"{random.choice('ab')}{random.randrange(8)}-run" if random.random() < 0.8 else None
    day = date(2026, 1, 1) + timedelta(days=random.randrange(60))
    known = random.random() < 0.9
    metrics = tuple(
        MetricRead(
            metric=metric,
            data_version=f"{random.choice('abc')}{metric}{'0' * 60}"[:64] if known else None,
            definition_hash=f"d{metric}{'1' * 60}"[:64] if known else None,
            covers_from=day if known else None,
            covers_to=day + timedelta(days=random.randrange(30)) if known else None,
        )
        for metric in random.sample(METRICS, random.choice([1, 1, 2]))
    )
    touches = Touched(
        dimensions=tuple(random.sample(DIMENSIONS, random.randrange(3))),
        relations=tuple(random.sample(RELATIONS, random.randrange(3))),
        dbt_models=tuple(random.sample(DBT_MODELS, random.randrange(2))),
    )
    how = random.choice(["allowed", "allowed", "allowed", "denied", "failed", "open", "lost"])
    shared: dict[str, Any] = {
        "record_id": read_id,
        "reader": reader,
        "acting_for": random.choice(USERS),
        "team": TEAMS[reader],
        "context": ReadContext(run_id=run, root_run_id=run and random.choice([run, "a-first"])),
    }
    reason = random.choice(REASONS) if how in ("denied", "failed") else None
    begun = Record(
        **shared,
        kind=RecordKind.REFUSAL if how == "denied" else RecordKind.INTENT,
        reason=reason if how == "denied" else None,
        metrics=metrics,
        touches=touches,
        details={"message": "No."} if how == "denied" else {"query": {"group_by": ["store"]}},
    )
    if how in ("denied", "open"):
        return begun, None
    return begun, Record(
        **shared,
        kind=RecordKind.OUTCOME,
        reason="indeterminate" if how == "lost" else reason,
        details={"rows": random.randrange(50), "notices": []} if how == "allowed" else {},
    )


def told_by_bodies(ledger: Ledger) -> list[Row]:
    """One row per read and metric, of the bodies alone, in the order in which they were written."""
    with ledger.reading() as connection:
        bodies = connection.execute(sa.text("SELECT seq, body FROM records ORDER BY seq")).all()
    records = [
        (row.seq, said["record"], said["at"]) for row in bodies for said in [json.loads(row.body)]
    ]
    ends = {said["id"]: (said, at) for _, said, at in records if said["kind"] == "outcome"}
    return [
        row
        for seq, said, at in records
        if said["kind"] in ("intent", "refusal")
        for row in _rows(seq, said, at, *ends.get(said["id"], (None, None)))
    ]


def _rows(seq: int, said: Row, at: str, end: Row | None, ended_at: str | None) -> Iterator[Row]:
    if said["kind"] == "refusal":
        outcome, reason, rows, ended_at = "refused", said["reason"], None, at
    elif end is None:
        outcome, reason, rows = "open", None, None
    else:
        reason, rows = end["reason"], end["details"].get("rows")
        outcome = {None: "allowed", "indeterminate": "indeterminate"}.get(reason, "refused")
    for item in said["metrics"]:
        yield {
            "seq": seq,
            "read_id": said["id"],
            "at": at,
            "agent": said["reader"],
            **{name: said[name] for name in ("acting_for", "team", "run_id", "root_run_id")},
            **{name: item[name] for name in ("metric", "data_version", "definition_hash")},
            "covers": item["covers"],
            "touches": said["touches"],
            "outcome": outcome,
            "reason": reason,
            "rows": rows,
            "ended_at": ended_at,
        }


def decided(ledger: Ledger) -> dict[str, list[str]]:
    """By decision, the reads that it rests on."""
    found = {}
    for decision in DECISIONS:
        body = ledger.body(decision, RecordKind.DECISION)
        assert body is not None
        found[decision] = body["details"]["reads"]
    return found


def outcomes_of(rows: list[Row]) -> Counter[str]:
    return Counter(row["outcome"] for row in rows)
