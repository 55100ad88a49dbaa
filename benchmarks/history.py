"""A ledger with a long history: reads of a month, by a hundred agents, of a thousand metrics of which one is hot."""

import random
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import sqlalchemy as sa

from semantic.ledger import Ledger, MetricRead, ReadContext, Record, RecordKind, Touched
from semantic.ledger.moment import as_recorded
from semantic.ledger.sqlite_store import SqliteStore

HOT = "metric_0"
DAYS = 30
FIRST = datetime(2026, 10, 1, tzinfo=UTC)
_AGENTS = 100
_METRICS = 1_000
_HOT_SHARE = 0.04
_AT_ONCE = 2_500
_READS_OF_A_RUN = 20


class _PastStore(SqliteStore):
    """A file whose clock goes through the month as its records are written."""

    at = FIRST

    def now(self, connection: sa.Connection) -> str:
        return as_recorded(self.at)


def write_history(path: Path, reads: int, *, with_decisions: bool = False) -> None:
    """Writes so many reads, each an intent and an outcome, by the product's own way, many in one transaction; and a checkpoint at the end. Where it is
    asked for, each run of twenty reads comes to a decision that rests on them.
    """
    store = _PastStore(path)
    ledger = Ledger(store, keys=path.parent)
    chance = random.Random(7)
    written = 0
    while written < reads:
        count = min(_AT_ONCE, reads - written)
        store.at = FIRST + timedelta(days=DAYS) * written / reads
        with ledger._writer.transaction() as transaction:
            for number in range(written, written + count):
                for record in _read(number, chance):
                    transaction.add(record)
                if with_decisions and number % _READS_OF_A_RUN == _READS_OF_A_RUN - 1:
                    transaction.add(_decision(number))
        written += count
    ledger.seal()
    ledger.close()


def _read(number: int, chance: random.Random) -> Iterator[Record]:
    agent = f"agent_{chance.randrange(_AGENTS)}"
    metric = HOT if chance.random() < _HOT_SHARE else f"metric_{chance.randrange(1, _METRICS)}"
    run = _run_of(number)
    context = ReadContext(run_id=run, root_run_id=run, step_key=agent, call_id=f"call {number}")
    read_id = _read_id(number)
    yield Record(
        record_id=read_id,
        kind=RecordKind.INTENT,
        reader=agent,
        team=f"team_{int(agent[6:]) % 10}",
        context=context,
        metrics=(MetricRead(metric=metric, data_version="5" * 32, definition_hash="7" * 32),),
        touches=Touched(
            dimensions=("customer__region", "metric_time"),
            relations=(f'"shop"."main"."orders_{int(metric[7:]) % 40}"',),
            dbt_models=(f"model.shop.orders_{int(metric[7:]) % 40}",),
        ),
        details={
            "query": {"metrics": [metric], "group_by": ["customer__region"], "filters": []},
            "versions_as_read": {metric: "5" * 32},
            "snapshot": "v000001",
            "policy_hash": "3" * 32,
            "rules": ["analysts read orders"],
            "plan_hash": "9" * 32,
        },
    )
    yield Record(
        record_id=read_id,
        kind=RecordKind.OUTCOME,
        reader=agent,
        context=context,
        details={
            "rows": 5,
            "bytes": 312,
            "result_digest": "a" * 64,
            "notices": [],
            "latency_us": 2_150,
        },
    )


def _decision(number: int) -> Record:
    """The decision of the run that this read ends."""
    run = _run_of(number)
    own = range(number - _READS_OF_A_RUN + 1, number + 1)
    return Record(
        record_id=f"{number // _READS_OF_A_RUN:08x}-0000-8000-8000-000000000000",
        kind=RecordKind.DECISION,
        reader=f"agent_{number // _READS_OF_A_RUN % _AGENTS}",
        context=ReadContext(run_id=run, root_run_id=run),
        details={
            "decision": "{}",
            "definition_hash": "7" * 32,
            "reads": [_read_id(it) for it in own],
            "remembered": [],
            "told": [],
            "usage": {"requests": 3, "input_tokens": 900, "output_tokens": 90, "cost_micros": 120},
        },
    )


def _run_of(number: int) -> str:
    return f"{number // _READS_OF_A_RUN:08x}-0000-4000-8000-000000000000"


def _read_id(number: int) -> str:
    return f"{number:08x}-0000-7000-8000-000000000000"
