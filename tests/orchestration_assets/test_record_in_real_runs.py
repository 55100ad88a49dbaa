"""No record, no data: real runs of an agent in which one write to the ledger after another fails."""

from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from agent_resources.metrics_resource import GovernedMetricsResource
from semantic.governed_metrics import GovernedMetrics
from semantic.ledger import Checkpoint, open_note
from semantic.open_snapshot import OpenSnapshot
from semantic.snapshot import SnapshotStore
from semantic.snapshot_record import SnapshotRecord
from tests.orchestration_assets import scripts
from tests.orchestration_assets.corner_shop import build_definitions, load_shop
from tests.orchestration_assets.faults import ledger_writes
from tests.orchestration_assets.location import Location, agent_key
from tests.semantic.door import WatchedSnapshot


def written(what: str, *tables: str) -> tuple[tuple[str, str], ...]:
    """The steps of a transaction that writes one row to each of these tables."""
    return (
        (what, "begin"),
        *((what, f"insert into {table}") for table in tables),
        (what, "commit"),
    )


def asked(which: str) -> tuple[tuple[str, str], ...]:
    """The steps of a request to the chat model: before it is made, and before its response is told."""
    return (
        *written(f"{which} model call", "records"),
        *written(f"response to the {which} model call", "journal", "records"),
    )


WRITES = (
    ("opening", "begin"),
    ("opening", "commit"),
    *written("what it rests on", "journal"),
    *asked("first"),
    *asked("second"),
    *written("intent", "records", "reads"),
    *written("outcome", "records"),
)
AFTERWARDS = (
    *written("what was read", "journal"),
    *asked("third"),
    *written("decision", "records", "erasable_values"),
    *written("its end", "journal"),
    *written("checkpoint", "records"),
)
BOSS = agent_key("boss")
opened: list[WatchedSnapshot] = []


class WatchedStore(SnapshotStore):
    """Versions that note what they are asked."""

    def open(self, record: SnapshotRecord) -> OpenSnapshot:
        opened.append(WatchedSnapshot(self.root / record.version / f"{record.database}.duckdb"))
        return opened[-1]


class WatchedMetrics(GovernedMetricsResource):
    """The door, over versions that note what they are asked."""

    def open(self, instance: dg.DagsterInstance) -> GovernedMetrics:
        metrics = super().open(instance)
        metrics.snapshots = WatchedStore(metrics.snapshots.root)
        return metrics


@pytest.fixture
def watched(settled: Location) -> Iterator[Location]:
    """The settled shop, with an eye on the queries that reach its data."""
    opened.clear()
    metrics = load_shop(settled.folder, resource=WatchedMetrics)
    definitions = build_definitions(settled.folder, metrics)
    with Location(settled.folder, definitions, settled.warehouse) as location:
        yield location


def test_these_are_the_writes_of_a_run_with_one_read(watched: Location) -> None:
    with ledger_writes() as writes:
        ran = watched.run([BOSS])
    assert ran.success, ran.failures
    assert writes.steps == [step for _, step in (*WRITES, *AFTERWARDS)]
    [told] = scripts.heard
    assert told.records() == [{"orders": 9, "revenue": 133.1}]
    assert len(queries()) == 1
    assert {read.outcome for read in watched.reads(ran.run_id)} == {"allowed"}
    assert len(watched.observations(ran.run_id)) == 2


TRIED = [
    pytest.param(
        of, step, marks=[] if step == "commit" and "second" not in of else pytest.mark.soak
    )
    for of, step in WRITES
    if "model call" not in of or step == "commit"
]


@pytest.mark.parametrize(("of", "step"), TRIED)
def test_where_a_write_fails_the_model_is_given_nothing(
    watched: Location, of: str, step: str
) -> None:
    decided_before = watched.metadata(BOSS)
    place = WRITES.index((of, step))
    with ledger_writes(failing=place) as writes:
        ran = watched.run([BOSS])
    assert of == "opening" or writes.steps[place] == step
    assert not ran.success
    for told in scripts.heard:
        assert told.is_refused
        assert "rows" not in told.content
        assert "records" not in told.message
    assert len(scripts.heard) == (1 if of in ("intent", "outcome") else 0)
    assert len(queries()) == (1 if of == "outcome" else 0)

    [message] = ran.failures.values()
    assert "disk I/O error" in message
    assert ran.materialized == frozenset()
    assert watched.observations(ran.run_id) == []
    assert "allowed" not in watched.run_tags(ran.run_id).values()
    assert watched.metadata(BOSS) == decided_before
    assert {read.outcome for read in watched.reads(ran.run_id)} == (
        {"open"} if of == "outcome" else set()
    )

    scripts.heard.clear()
    assert watched.run([BOSS]).success
    assert not scripts.heard[0].is_refused


@pytest.mark.parametrize(
    ("of", "step"),
    [
        pytest.param(
            of, step, marks=[] if step == "commit" and "model" not in of else pytest.mark.soak
        )
        for of, step in AFTERWARDS
    ],
)
def test_where_what_comes_after_cannot_be_written_nothing_is_decided(
    watched: Location, of: str, step: str
) -> None:
    with ledger_writes(failing=len(WRITES) + AFTERWARDS.index((of, step))):
        ran = watched.run([BOSS])
    [message] = ran.failures.values()
    assert "disk I/O error" in message
    assert ran.materialized == frozenset()
    assert {read.outcome for read in watched.reads(ran.run_id)} == {"allowed"}
    assert len(watched.observations(ran.run_id)) == 2

    assert watched.run([BOSS]).success
    with watched.ledger() as ledger:
        assert ledger.verify().is_whole


def test_the_checkpoint_of_a_run_shows_later_changes(watched: Location) -> None:
    assert watched.run([BOSS]).success
    note = str(watched.metadata(BOSS)["checkpoint"]).removeprefix("```\n").removesuffix("```")
    with watched.ledger() as ledger:
        kept = open_note(
            note, [Ed25519PublicKey.from_public_bytes(bytes.fromhex(ledger.public_key))]
        )
        assert ledger.verify(against=kept).is_whole
        assert ledger.verify(against=kept).exposed == 1
        forged = Checkpoint(origin=kept.origin, size=kept.size, root=bytes(32))
        assert not ledger.verify(against=forged).is_whole


def test_a_run_that_fails_after_a_read_still_says_what_it_was_given(
    settled: Location, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CORNER_SHOP_MOOD", str(tmp_path))
    (tmp_path / "boss.fails").touch()
    ran = settled.run([BOSS])
    assert ran.failures == {"agents__boss": "The chat model does not answer"}
    assert ran.materialized == frozenset()
    observed = {
        item.asset_key.path[-1]: item.tags["dagster/data_version"]
        for item in settled.observations(ran.run_id)
    }
    on_record = {
        read.metric: read.data_version
        for read in settled.reads(ran.run_id)
        if read.outcome == "allowed"
    }
    assert observed == on_record
    assert set(observed) == {"orders", "revenue"}
    tags = settled.run_tags(ran.run_id)
    assert tags["governed_agents.read/orders"] == "allowed"
    assert tags["governed_agents.agent/boss"] == "started"


def queries() -> list[str]:
    """The statements that reached the data."""
    return [sql for snapshot in opened for sql, _ in snapshot.executed]
