"""When agents run, tick by tick: on a value that changed as they see it, and on nothing else."""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
import sqlalchemy as sa

from agent_resources.metrics_resource import GovernedMetricsResource
from agent_resources.trigger import Trigger
from orchestration_assets.metrics_project import MetricsProject
from orchestration_assets.sensors import evaluate
from orchestration_assets.triggers.look import WatchedAgent
from semantic.governed_metrics import GovernedMetrics
from semantic.snapshot import SnapshotStore
from semantic.snapshot_record import SnapshotRecord
from tests.orchestration_assets import scripts
from tests.orchestration_assets.corner_shop import (
    CORNER,
    build_definitions,
    load_shop,
    watched_agents,
)
from tests.orchestration_assets.location import (
    SNAPSHOT,
    Location,
    agent_key,
    going_on,
    metric_key,
)

ORDERS = "till_analytics.orders"
SOUTH_PAYS_MORE = f"UPDATE {ORDERS} SET amount = amount + 1 WHERE order_id = 5"
SOUTH_PAYS_LESS = f"UPDATE {ORDERS} SET amount = amount - 1 WHERE order_id = 5"
NORTH_PAYS_MORE = f"UPDATE {ORDERS} SET amount = amount + 1 WHERE order_id = 1"
UNCHANGED = "no value that it may read has changed"


on_look: list[Callable[[], None]] = []


@pytest.fixture
def shop_metrics(settled: Location) -> MetricsProject:
    return load_shop(settled.folder)


def test_before_the_first_snapshot_and_after_it(shop: Location) -> None:
    first = shop.tick()
    assert first.agents == ["boss", "greeter", "north"]
    pointer = shop.store.root / "CURRENT"
    pointer.rename(pointer.with_name("OLD"))
    assert "No data has been published yet" in shop.tick().skipped


def test_values_that_stand_run_nobody_however_often_they_are_published(settled: Location) -> None:
    before = settled.current
    after = settled.publish()
    assert after.version != before.version
    assert settled.run(settled.metric_keys).success
    tick = settled.tick()
    assert tick.agents == []
    assert [tick.why_not(name) for name in ("boss", "greeter", "north")] == [UNCHANGED] * 3


def test_rows_of_others_do_not_run_an_agent_that_cannot_see_them(settled: Location) -> None:
    settled.change(SOUTH_PAYS_MORE)
    settled.publish()
    assert settled.tick().agents == ["boss"]
    settled.change(NORTH_PAYS_MORE)
    settled.publish()
    assert settled.tick().agents == ["boss", "north"]


@pytest.mark.soak
def test_an_order_that_moves_at_the_same_total_is_a_change_for_those_who_see_it(
    settled: Location,
) -> None:
    before = settled.data_versions()
    settled.change(f"UPDATE {ORDERS} SET customer_id = 2 WHERE order_id = 4")
    settled.publish()
    settled.run(settled.metric_keys)
    after = settled.data_versions()
    assert settled.metadata(metric_key("orders"))["value"] == 9
    assert before["orders"] != after["orders"]
    assert before["revenue"] == after["revenue"]
    tick = settled.tick()
    assert tick.agents == ["boss", "north"]
    assert tick.of("boss").tags["governed_agents/because"] == "orders"
    assert tick.of("north").tags["governed_agents/because"] == "orders_revenue"


@pytest.mark.soak
def test_a_failed_check_holds_back_those_who_may_read_behind_it(settled: Location) -> None:
    settled.change(
        SOUTH_PAYS_MORE, f"INSERT INTO {ORDERS} SELECT * FROM {ORDERS} WHERE order_id = 1"
    )
    settled.check(settled.dbt_keys)
    settled.publish()
    tick = settled.tick()
    assert tick.agents == []
    for agent in ("boss", "north"):
        assert "the dbt test unique_orders_order_id on orders failed" in tick.why_not(agent)
    assert tick.why_not("greeter") == UNCHANGED
    by_hand = settled.run([agent_key("boss")])
    assert "unique_orders_order_id" in by_hand.failures["agents__boss"]
    assert settled.reads(by_hand.run_id) == []
    assert settled.run([agent_key("greeter")]).success

    settled.change(f"DELETE FROM {ORDERS} WHERE order_id = 1 AND rowid > 8")
    assert settled.check(settled.dbt_keys)
    settled.publish()
    assert settled.tick().agents == ["boss"]


def test_at_most_every_so_many_minutes(settled: Location, shop_metrics: MetricsProject) -> None:
    settled.change(SOUTH_PAYS_MORE)
    settled.publish()
    [boss] = [agent for agent in watched_agents(shop_metrics) if agent.definition.name == "boss"]
    calm = replace(
        boss,
        definition=boss.definition.model_copy(
            update={"trigger": Trigger(at_most_every_minutes=60)}
        ),
    )
    began = settled.last_run(boss.key).create_timestamp
    with shop_metrics.resource.open(settled.instance) as metrics:

        def tick(*, minutes_later: float) -> dg.SensorResult:
            now = began + timedelta(minutes=minutes_later)
            return evaluate(settled.instance, metrics, [calm], [], now=now)

        early = tick(minutes_later=59.9)
        assert not early.run_requests
        assert early.skip_reason == dg.SkipReason(
            "boss: 1 values changed; it ran less than 60 minutes ago"
        )
        assert len(tick(minutes_later=60.1).run_requests or []) == 1


def test_not_while_a_run_of_it_goes_on(settled: Location) -> None:
    settled.change(SOUTH_PAYS_MORE, NORTH_PAYS_MORE)
    settled.publish()
    with going_on(settled, [agent_key("boss")]):
        tick = settled.tick()
        assert tick.agents == ["north"]
    assert settled.tick().agents == ["boss", "north"]


@pytest.mark.soak
def test_not_while_the_snapshot_or_a_metric_is_refreshed(settled: Location) -> None:
    settled.change(SOUTH_PAYS_MORE)
    settled.publish()
    for key in (SNAPSHOT, metric_key("orders")):
        with going_on(settled, [key]):
            assert settled.tick().skipped == "The snapshot or its metrics are being refreshed"
    assert settled.tick().agents == ["boss"]


@pytest.mark.soak
def test_the_run_of_a_whole_job_counts_for_all_that_it_makes(settled: Location) -> None:
    settled.change(SOUTH_PAYS_MORE)
    settled.publish()
    with going_on(settled, None):
        assert settled.tick().skipped == "The snapshot or its metrics are being refreshed"
    assert settled.tick().agents == ["boss"]


@pytest.mark.soak
def test_the_same_standing_values_have_one_key_and_those_that_came_back_another(
    settled: Location,
) -> None:
    """A to B to A: the agent runs for B, and again for A."""
    keys = []
    for statement in (SOUTH_PAYS_MORE, SOUTH_PAYS_LESS, SOUTH_PAYS_MORE):
        settled.change(statement)
        settled.publish()
        request = settled.tick().of("boss")
        assert settled.tick().of("boss").run_key == request.run_key
        settled.publish()
        assert settled.tick().of("boss").run_key == request.run_key
        assert settled.run_requested(request).success
        keys.append(request.run_key)
    assert len(set(keys)) == 3
    assert settled.metadata(agent_key("boss"))["answer"] == "orders 9, revenue 134.1"


def test_a_failed_run_is_not_asked_for_again_until_a_value_changes(
    settled: Location, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CORNER_SHOP_MOOD", str(tmp_path))
    for agent in ("boss", "north"):
        (tmp_path / f"{agent}.fails").touch()
    settled.change(NORTH_PAYS_MORE)
    settled.publish()
    tick = settled.tick()
    assert tick.agents == ["boss", "north"]
    for request in tick.requests:
        assert not settled.run_requested(request).success
    settled.publish()
    tick = settled.tick()
    assert tick.agents == []
    assert tick.why_not("north").endswith("for these values ended as FAILURE")
    settled.change(NORTH_PAYS_MORE)
    settled.publish()
    assert settled.tick().agents == ["boss", "north"]


def test_a_restart_loses_nothing(settled: Location) -> None:
    """Everything that a tick knows is on disk: another process goes on where this one stopped."""
    settled.change(SOUTH_PAYS_MORE)
    settled.publish()
    asked = settled.tick()
    settled.instance.dispose()
    again = Location(settled.folder, build_definitions(settled.folder), settled.warehouse)
    with again:
        assert again.tick() == asked
        again.run_all(asked)
        assert again.tick().agents == []
        again.change(NORTH_PAYS_MORE)
        again.publish()
    with Location(settled.folder, build_definitions(settled.folder), settled.warehouse) as third:
        assert third.tick().agents == ["boss", "north"]


@pytest.mark.soak
def test_a_change_while_the_sensor_looks_is_seen_by_the_next_tick(
    settled: Location, shop_metrics: MetricsProject
) -> None:
    settled.change(SOUTH_PAYS_MORE)
    settled.publish()
    on_look.append(lambda: change(settled, SOUTH_PAYS_MORE))
    with shop_metrics.resource.open(settled.instance) as metrics:
        metrics.snapshots = ChangesWhenLookedAt(metrics.snapshots.root)
        result = evaluate(settled.instance, metrics, watched_agents(shop_metrics), [])
    [request] = result.run_requests or []
    assert not on_look
    assert settled.run_requested(request).success
    assert settled.metadata(agent_key("boss"))["answer"] == "orders 9, revenue 135.1"
    assert settled.tick().agents == []


@pytest.mark.soak
def test_a_run_reads_the_snapshot_whose_gates_it_passed(settled: Location) -> None:
    metrics = load_shop(settled.folder, resource=ChangingMetrics)
    before = settled.current
    with Location(
        settled.folder, build_definitions(settled.folder, metrics), settled.warehouse
    ) as changing:
        on_look.append(lambda: change(settled, SOUTH_PAYS_MORE))
        assert changing.run([agent_key("boss")]).success
        assert not on_look
    metadata = settled.metadata(agent_key("boss"))
    assert metadata["snapshot"] == json.loads(metadata["basis"])["snapshot"] == before.version
    assert metadata["answer"] == "orders 9, revenue 133.1"
    assert settled.tick().agents == ["boss"]


def test_a_change_while_the_agent_runs_brings_another_run(settled: Location) -> None:
    change(settled, SOUTH_PAYS_MORE)
    for when, hook in enumerate((scripts.before_the_read, scripts.after_the_read)):
        hook.append(lambda: change(settled, SOUTH_PAYS_MORE))
        request = settled.tick().of("boss")
        assert settled.run_requested(request).success
        metadata = settled.metadata(agent_key("boss"))
        assert metadata["answer"] == f"orders 9, revenue {134.1 + when}"
        assert json.loads(metadata["basis"])["snapshot"] == metadata["snapshot"]
        assert metadata["snapshot"] < settled.current.version
        following = settled.tick().of("boss")
        assert following.run_key != request.run_key
    settled.run_all(settled.tick())
    assert settled.metadata(agent_key("boss"))["answer"] == "orders 9, revenue 136.1"
    assert settled.tick().agents == []


@pytest.mark.soak
def test_a_question_by_hand_does_not_stand_for_the_task(settled: Location) -> None:
    question = {"ops": {"agents__boss": {"config": {"question": "How many?"}}}}
    assert settled.run([agent_key("boss")], config=question).success
    assert settled.tick().agents == []
    settled.change(SOUTH_PAYS_MORE)
    settled.publish()
    assert settled.run([agent_key("boss")], config=question).success
    assert settled.tick().agents == ["boss"]


def test_under_a_policy_that_is_not_published_nobody_runs(
    settled: Location, tmp_path: Path
) -> None:
    policy = tmp_path / "policy.yaml"
    written = (CORNER / "policy.yaml").read_text()
    policy.write_text(written.replace("readers: [greeter]", "readers: [greeter, boss]"))
    settled.change(SOUTH_PAYS_MORE)
    settled.publish()
    definitions = build_definitions(settled.folder, load_shop(settled.folder, policy=policy))
    with Location(settled.folder, definitions, settled.warehouse) as edited:
        assert "policy of this code location is not the published one" in edited.tick().skipped
        ran = edited.run([agent_key("boss")])
        assert "policy of this process is not the published one" in ran.failures["agents__boss"]
        edited.publish()
        assert edited.tick().of("boss").tags["governed_agents/because"] == ("customers_revenue")


@pytest.mark.soak
def test_a_metric_that_dbt_no_longer_has_is_a_reason_and_not_a_crash(
    settled: Location, shop_metrics: MetricsProject
) -> None:
    with shop_metrics.resource.open(settled.instance) as metrics:
        [boss] = [
            agent for agent in watched_agents(shop_metrics) if agent.definition.name == "boss"
        ]
        stale = WatchedAgent(
            definition=boss.definition, key=boss.key, readable=(*boss.readable, "discounts")
        )
        result = evaluate(settled.instance, metrics, [stale], [])
    assert isinstance(result.skip_reason, dg.SkipReason)
    assert "it is no longer in the dbt project" in str(result.skip_reason.skip_message)


def test_the_number_of_look_ups_does_not_grow_with_the_agents(
    settled: Location, shop_metrics: MetricsProject
) -> None:
    settled.change(SOUTH_PAYS_MORE)
    settled.publish()
    [boss] = [agent for agent in watched_agents(shop_metrics) if agent.definition.name == "boss"]
    counts = {}
    with shop_metrics.resource.open(settled.instance) as metrics:
        for number in (2, 100):
            agents = [twin(boss, index) for index in range(number)]
            evaluate(settled.instance, metrics, agents, [SNAPSHOT])
            with statements() as seen:
                result = evaluate(settled.instance, metrics, agents, [SNAPSHOT])
            assert len(result.run_requests or []) == number
            counts[number] = len(seen)
    assert 0 < counts[2] < 25
    assert counts[100] == counts[2]


class ChangesWhenLookedAt(SnapshotStore):
    """Versions beside which something happens right after it was told which one stands."""

    def current(self) -> SnapshotRecord:
        record = super().current()
        while on_look:
            on_look.pop()()
        return record


class ChangingMetrics(GovernedMetricsResource):
    """The door, over versions that change when they are looked at."""

    def open(self, instance: dg.DagsterInstance) -> GovernedMetrics:
        metrics = super().open(instance)
        metrics.snapshots = ChangesWhenLookedAt(metrics.snapshots.root)
        return metrics


def change(location: Location, statement: str) -> None:
    location.change(statement)
    location.publish()


def twin(agent: WatchedAgent, index: int) -> WatchedAgent:
    """An agent like another, under a name of its own and without a trigger of its own time."""
    name = f"boss_{index}"
    return WatchedAgent(
        definition=agent.definition.model_copy(update={"name": name}),
        key=agent_key(name),
        readable=agent.readable,
    )


@contextmanager
def statements() -> Iterator[list[str]]:
    """Every SQL statement that any database of this process is asked while the block runs."""
    seen: list[str] = []

    def note(connection: Any, cursor: Any, statement: str, *rest: Any) -> None:
        seen.append(statement)

    sa.event.listen(sa.Engine, "before_cursor_execute", note)
    try:
        yield seen
    finally:
        sa.event.remove(sa.Engine, "before_cursor_execute", note)
