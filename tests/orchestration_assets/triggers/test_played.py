"""Triggers, played tick by tick on a real instance with real snapshots and runs: what calls for a run, what it is told, and what keeps it."""

import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from orchestration_assets.asset_graph import whole_graph
from orchestration_assets.translator import MetricTranslator, MetricTranslatorData
from semantic.watch import NO_VALUE
from tests.orchestration_assets.corner_shop import CORNER
from tests.orchestration_assets.location import agent_key, fork
from tests.orchestration_assets.triggers.playing import (
    NEWEST_DAY,
    ORDERS,
    Played,
    write_agents,
)

Play = Callable[..., Played]


@pytest.fixture
def play(built_shop: Path, tmp_path: Path) -> Iterator[Play]:
    """Opens the shop with agents of these triggers, each of which has run once."""
    opened: list[Played] = []

    def begin(
        *,
        settle: bool = True,
        policy: Path = CORNER / "policy.yaml",
        translator: MetricTranslator | None = None,
        edit: Callable[[dg.Definitions], dg.Definitions] = lambda definitions: definitions,
        **triggers: Any,
    ) -> Played:
        agents = write_agents(tmp_path / "agents", triggers)
        folder = fork(built_shop, tmp_path / "shop")
        location = Played(folder, agents, policy=policy, translator=translator, edit=edit)
        opened.append(location)
        if settle:
            location.settle()
            assert location.look().agents == []
        return location

    yield begin
    for location in opened:
        location.instance.dispose()


def test_ten_changes_are_one_run_that_is_told_all_of_them_and_reads_each_on_record(
    play: Play,
) -> None:
    shop = play(boss={})
    before = shop.current
    for amount in range(11, 21):
        shop.sell(amount)
    [request] = shop.look().requests
    ran = shop.run_requested(request)
    assert ran.success, ran.failures
    told = shop.why("boss")
    between = ", ".join(f"{3 + amount}" for amount in range(11, 20))
    assert told == f"- revenue changed: {NEWEST_DAY} 23 (before 9.1, in between {between})"
    reads = [read for read in shop.reads(ran.run_id) if read.metric == "revenue"][::-1]
    versions = [read.data_version for read in reads]
    assert versions[0] == before.metrics["revenue"].data_version
    # The snapshot of its last run, ten that it is told of, and its own query of the last.
    assert len(versions) == 12
    assert len(set(versions)) == 11
    assert versions[-1] == versions[-2] == shop.current.metrics["revenue"].data_version
    assert all(read.outcome == "allowed" for read in reads)
    assert shop.look().agents == []


def test_a_value_that_came_back_between_two_ticks_is_told(play: Play) -> None:
    shop = play(boss={})
    shop.sell(7)
    shop.sell(6.1)
    shop.run_all(shop.look())
    assert shop.why("boss") == f"- revenue changed: {NEWEST_DAY} 9.1 (before 9.1, in between 10)"
    shop.publish()
    assert shop.look().agents == []


def test_a_restricted_agent_is_told_the_figures_of_the_rows_that_it_sees(play: Play) -> None:
    shop = play(boss={}, north={})
    shop.change(f"UPDATE {ORDERS} SET amount = 20 WHERE order_id = 1")
    shop.publish()
    tick = shop.look()
    assert tick.agents == ["boss", "north"]
    shop.change(f"UPDATE {ORDERS} SET amount = 100 WHERE order_id = 5")
    shop.publish()
    shop.run_all(shop.look())
    assert shop.why("north") == "- revenue changed: 2024-03-01 20 (before 12.5)"
    assert shop.why("boss") == (
        "- revenue changed: 2024-03-01 20 (before 12.5); 2024-03-04 100 (before 99)"
    )


def test_small_changes_add_up_to_a_threshold_and_one_that_went_back_is_not_lost(
    play: Play,
) -> None:
    shop = play(boss={"on": {"value_changed": {"metrics": "revenue", "at_least": 5}}})
    for amount in (8, 10, 11):
        shop.sell(amount)
        assert shop.look().agents == []
    shop.sell(11.1)
    assert shop.look().agents == ["boss"]
    shop.sell(6.1)
    shop.run_all(shop.look())
    assert shop.why("boss") == f"- revenue: {NEWEST_DAY}: 14.1, before 9.1 (by 5 or more)"
    assert shop.look().agents == []
    shop.add_day("2024-03-06", 15)
    shop.run_all(shop.look())
    assert (
        shop.why("boss") == f"- revenue: 2024-03-06: 15, before 9.1 on {NEWEST_DAY} (by 5 or more)"
    )


def test_groups_and_grains_that_are_chosen_are_measured_as_the_agent_sees_them(play: Play) -> None:
    watch = {"metrics": "revenue", "by": "customer__region", "grain": "week", "periods": 2}
    shop = play(
        boss={"on": [{"value_changed": watch | {"at_least_percent": 20}}]},
        north={"on": [{"value_changed": watch | {"crosses": 30}}]},
    )
    shop.change(f"UPDATE {ORDERS} SET amount = 40 WHERE order_id = 1")
    shop.publish()
    shop.run_all(shop.look())
    assert shop.why("north").startswith("- revenue by customer__region: 2024-02-26 north: ")
    assert shop.why("north").endswith("(up over 30)")
    assert "2024-02-26 north" in shop.why("boss")
    shop.change(f"UPDATE {ORDERS} SET amount = 500 WHERE order_id = 5")
    shop.publish()
    assert shop.look().agents == ["boss"]


def test_a_trigger_that_is_new_compares_from_now_on(play: Play, tmp_path: Path) -> None:
    shop = play(boss={})
    agents = write_agents(
        tmp_path / "agents",
        {"boss": {"on": {"value_changed": {"metrics": "revenue", "crosses": 9}}}},
    )
    with Played(shop.folder, agents) as edited:
        assert "revenue is not measured; it is from the next snapshot on" in edited.look().why_not(
            "boss"
        )
        edited.publish()
        edited.run_all(edited.look())
        assert edited.why("boss") == "- revenue is compared from now on"
        edited.sell(0.5)
        assert edited.look().agents == ["boss"]


def young(tmp_path: Path, hours: float) -> Path:
    """The policy of the shop, under which `boss` and those like it read revenue that is at most so old."""
    rule = (
        f"{{restrict: young data, readers: ['boss*'], metrics: [revenue], max_age_hours: {hours}}}"
    )
    path = tmp_path / "policy.yaml"
    path.write_text(f"{(CORNER / 'policy.yaml').read_text()}\n  - {rule}\n")
    return path


def test_stale_data_closes_the_gate_and_runs_those_who_wait_for_it(
    play: Play, tmp_path: Path
) -> None:
    shop = play(
        policy=young(tmp_path, 2),
        boss={},
        boss_stale={"on": {"freshness": {"becomes": "stale", "metrics": "revenue"}}},
    )
    published = shop.current.published_at
    assert shop.look(now=published + timedelta(hours=2)).agents == []
    tick = shop.look(now=published + timedelta(hours=2, seconds=1))
    assert tick.agents == ["boss_stale"]
    later = shop.look(now=published + timedelta(hours=9))
    assert later.of("boss_stale").run_key == tick.of("boss_stale").run_key
    with shop.metrics.resource.open(shop.instance) as metrics:
        assert metrics.policy.hash == metrics.ledger.current_policy_hash()


def test_what_is_stale_and_fresh_again_is_told_once_each(play: Play, tmp_path: Path) -> None:
    seconds = 6.0
    shop = play(
        policy=young(tmp_path, seconds / 3600),
        settle=False,
        boss={},
        boss_stale={"on": {"freshness": {"becomes": "stale", "metrics": "revenue"}}},
        boss_fresh={"on": {"freshness": {"becomes": "fresh"}}},
    )
    shop.look()
    shop.publish()
    assert shop.look().agents == ["boss"]
    wait_until(shop.current.published_at + timedelta(seconds=seconds + 0.1))
    tick = shop.look()
    assert tick.agents == ["boss_stale"]
    by_hand = shop.run([agent_key("boss")])
    assert "may be read for 6 seconds, since " in by_hand.failures["agents__boss"]
    shop.run_all(tick)
    assert shop.why("boss_stale").startswith("- revenue became stale: its data was published at")
    assert shop.metadata(agent_key("boss_stale"))["reads_refused"] == 1
    assert shop.look().agents == []
    shop.publish()
    assert shop.look().agents == ["boss"]


def wait_until(moment: datetime) -> None:
    time.sleep(max(0.0, (moment - datetime.now(UTC)).total_seconds()))


def test_a_freshness_policy_and_a_check_of_the_teams_own_close_the_gate(play: Play) -> None:
    key = dg.AssetKey(["metrics", "revenue"])
    passes: list[bool] = []

    @dg.asset_check(asset=key, blocking=True)
    def sane() -> dg.AssetCheckResult:
        return dg.AssetCheckResult(passed=passes[-1])

    shop = play(
        settle=False,
        translator=Dated(),
        edit=lambda definitions: dg.Definitions.merge(
            definitions, dg.Definitions(asset_checks=[sane])
        ),
        boss={},
    )
    has_not_run = "the check sane on metrics/revenue has not run"
    assert shop.look().why_not("boss") == f"'revenue' may not be read: {has_not_run}"
    for is_passed in (False, True):
        passes.append(is_passed)
        shop.check([key])
        assert shop.look().agents == (["boss"] if is_passed else [])
    now = datetime.now(UTC)
    assert shop.look(now=now + timedelta(hours=5)).agents == ["boss"]
    stale = shop.look(now=now + timedelta(hours=7)).why_not("boss")
    assert stale.startswith("'orders' may not be read: metrics/orders was made at")
    assert "and its freshness policy asks for newer, since" in stale


class Dated(MetricTranslator):
    """Metrics that are to be made every six hours."""

    def get_asset_spec(self, data: MetricTranslatorData) -> dg.AssetSpec:
        window = dg.FreshnessPolicy.time_window(fail_window=timedelta(hours=6))
        return super().get_asset_spec(data).replace_attributes(freshness_policy=window)


def test_a_failed_check_and_its_end_run_those_who_wait_for_them(play: Play) -> None:
    shop = play(
        boss={},
        boss_failed={"on": {"check": {"becomes": "failed"}}},
        boss_again={"on": {"check": {"becomes": "recovered", "metrics": "revenue"}}},
    )
    shop.change(f"INSERT INTO {ORDERS} SELECT * FROM {ORDERS} WHERE order_id = 1")
    shop.check(shop.dbt_keys)
    shop.publish()
    tick = shop.look()
    assert tick.agents == ["boss_failed"]
    ran = shop.run_requested(tick.of("boss_failed"))
    assert ran.success, ran.failures
    assert "unique_orders_order_id on orders failed" in shop.why("boss_failed")
    assert shop.metadata(agent_key("boss_failed"))["answer"].startswith("I could read nothing")
    waiting = shop.look()
    assert waiting.agents == []
    assert "the dbt test unique_orders_order_id" in waiting.why_not("boss")
    assert f"since {shop.current.published_at:%Y-%m-%d %H:%M} UTC" in waiting.why_not("boss")
    shop.change(f"DELETE FROM {ORDERS} WHERE order_id = 1 AND rowid > 8")
    assert shop.check(shop.dbt_keys)
    shop.publish()
    assert shop.look().agents == ["boss_again"]
    shop.run_all(shop.look())
    assert shop.why("boss_again") == "- what revenue is made of passes its checks again"
    assert shop.look().agents == []


def test_a_check_that_failed_and_passed_between_two_ticks_is_not_lost(play: Play) -> None:
    shop = play(
        boss_failed={"on": {"check": {"becomes": "failed", "metrics": "orders"}}},
        boss_again={"on": {"check": {"becomes": "recovered", "metrics": "orders"}}},
    )
    shop.change(f"INSERT INTO {ORDERS} SELECT * FROM {ORDERS} WHERE order_id = 1")
    shop.check(shop.dbt_keys)
    shop.publish()
    shop.change(f"DELETE FROM {ORDERS} WHERE order_id = 1 AND rowid > 8")
    shop.check(shop.dbt_keys)
    shop.publish()
    tick = shop.look()
    assert tick.agents == ["boss_again", "boss_failed"]
    shop.run_all(tick)
    assert "orders failed a check and recovered since" in shop.why("boss_failed")
    assert shop.look().agents == []


def test_a_schedule_runs_once_for_all_its_times_that_were_missed(play: Play) -> None:
    at = {"cron": {"at": "0 7 * * *", "time_zone": "America/New_York"}}
    shop = play(boss={"on": at})
    tomorrow = datetime.now(UTC) + timedelta(days=1)
    tick = shop.look(now=tomorrow)
    later = shop.look(now=tomorrow + timedelta(days=3))
    assert tick.agents == later.agents == ["boss"]
    assert tick.of("boss").tags["governed_agents/because"] == "cron"
    assert tick.of("boss").run_key != later.of("boss").run_key


def test_a_schedule_of_an_agent_that_never_ran_begins_when_it_is_registered(play: Play) -> None:
    shop = play(settle=False, boss={"on": {"cron": "0 7 * * *"}})
    assert shop.look().agents == []
    assert shop.look(now=datetime.now(UTC) + timedelta(days=1)).agents == ["boss"]


def test_the_decision_of_another_agent_runs_those_who_wait_for_it_once(play: Play) -> None:
    shop = play(boss={}, boss_second={"on": {"decision": {"of": "boss"}}})
    tick = shop.look()
    assert tick.agents == []
    shop.sell(7)
    shop.run_all(shop.look())
    decision = shop.metadata(agent_key("boss"))["decision_id"]
    tick = shop.look()
    assert tick.agents == ["boss_second"]
    shop.run_all(tick)
    assert shop.why("boss_second") == f"- boss: decided {decision}"
    assert shop.look().agents == []


def test_a_circle_over_two_code_locations_ends_by_itself(play: Play, tmp_path: Path) -> None:
    changed = {"value_changed": {"metrics": "revenue"}}
    here = play(boss={"on": [changed, {"decision": {"of": "boss_second"}}]})
    other = write_agents(tmp_path / "other", {"boss_second": {"on": {"decision": {"of": "boss"}}}})
    with Played(here.folder, other) as there:
        assert there.look().agents == []
        here.sell(7)
        for location, agent in [(here, "boss"), (there, "boss_second")] * 3:
            tick = location.look()
            assert tick.agents == [agent]
            location.run_all(tick)
        tick = here.look()
        assert tick.agents == []
        assert "came of 5 agents that each ran because of another; at most 5 do" in tick.why_not(
            "boss"
        )
        here.sell(8)
        assert here.look().agents == ["boss"]


def test_quiet_hours_hold_a_run_back_and_lose_nothing(play: Play) -> None:
    quiet = {"start": "22:00", "end": "07:00", "time_zone": "Europe/Berlin"}
    shop = play(boss={"quiet_hours": quiet})
    shop.sell(7)
    night = datetime(2030, 1, 1, 22, 30, tzinfo=UTC)
    assert shop.look(now=night).why_not("boss") == (
        "1 values changed; it is quiet until 07:00 Europe/Berlin"
    )
    assert shop.look(now=night + timedelta(hours=7, minutes=29)).agents == []
    assert shop.look(now=night + timedelta(hours=7, minutes=30)).agents == ["boss"]


def test_a_spent_budget_holds_a_run_back_and_loses_nothing(play: Play, tmp_path: Path) -> None:
    policy = tmp_path / "policy.yaml"

    def allow(queries: int) -> None:
        budget = (
            f"{{budget: boss a day, readers: [boss], per: reader, within: 1d, queries: {queries}}}"
        )
        policy.write_text(f"{(CORNER / 'policy.yaml').read_text()}\nbudgets:\n  - {budget}\n")

    allow(1)
    shop = play(policy=policy, boss={})
    shop.sell(7)
    assert shop.look().why_not("boss") == (
        "1 values changed; its budget 'boss a day' of 1 queries is spent"
    )
    allow(10)
    with Played(shop.folder, shop.agents, policy=policy) as renewed:
        renewed.sell(8)
        renewed.run_all(renewed.look())
        assert "(before 9.1, in between 10)" in renewed.why("boss")


def test_two_daemons_that_ask_for_the_same_do_it_once(play: Play) -> None:
    shop = play(boss={})
    shop.sell(7)
    first, second = shop.look(), shop.look()
    assert first == second
    shop.run_all(first)
    again = shop.run_requested(second.of("boss"))
    assert "nothing calls for it any more" in again.failures["agents__boss"]
    assert shop.reads(again.run_id) == []
    with shop.ledger() as ledger, ledger.holding("run of boss") as is_held:
        assert is_held
        shop.sell(8)
        beside = shop.run_requested(shop.look().of("boss"))
    assert "another run of it goes on" in beside.failures["agents__boss"]
    assert shop.reads(beside.run_id) == []


def test_a_first_run_that_failed_is_asked_for_again_when_the_value_moves(
    play: Play, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CORNER_SHOP_MOOD", str(tmp_path))
    shop = play(settle=False, boss={"on": {"value_changed": {"metrics": "revenue", "at_least": 1}}})
    shop.look()
    shop.publish()
    (tmp_path / "boss.fails").touch()
    assert not shop.run_requested(shop.look().of("boss")).success
    (tmp_path / "boss.fails").unlink()
    assert "ended as FAILURE" in shop.look().why_not("boss")
    shop.sell(50)
    shop.run_all(shop.look())
    shop.sell(500)
    assert shop.look().agents == ["boss"]


def test_a_trigger_that_another_agent_has_already_is_compared_at_once(
    play: Play, tmp_path: Path
) -> None:
    watch = {"on": {"value_changed": {"metrics": "revenue", "at_least": 1}}}
    shop = play(boss=watch, boss_second={})
    agents = write_agents(tmp_path / "agents", {"boss": watch, "boss_second": watch})
    with Played(shop.folder, agents) as edited:
        edited.run_all(edited.look())
        edited.sell(50)
        assert edited.look().agents == ["boss", "boss_second"]


def test_a_second_failure_is_another_one(play: Play) -> None:
    shop = play(boss_again={"on": {"check": {"becomes": "recovered", "metrics": "revenue"}}})
    for _ in range(2):
        shop.change(f"INSERT INTO {ORDERS} SELECT * FROM {ORDERS} WHERE order_id = 1")
        shop.check(shop.dbt_keys)
        shop.publish()
        shop.change(f"DELETE FROM {ORDERS} WHERE order_id = 1 AND rowid > 8")
        shop.check(shop.dbt_keys)
        shop.publish()
        tick = shop.look()
        assert tick.agents == ["boss_again"]
        shop.run_all(tick)


def test_more_than_an_agent_may_have_is_not_told(play: Play, tmp_path: Path) -> None:
    policy = tmp_path / "policy.yaml"
    rule = "{restrict: few rows, readers: ['boss*'], metrics: [revenue], max_rows: 2}"
    policy.write_text(f"{(CORNER / 'policy.yaml').read_text()}\n  - {rule}\n")
    shop = play(policy=policy, boss={})
    shop.change(f"UPDATE {ORDERS} SET amount = amount + 1")
    shop.publish()
    request = shop.look().of("boss")
    ran = shop.run_requested(request)
    assert ran.success, ran.failures
    assert all((read.rows or 0) <= 2 for read in shop.reads(ran.run_id))


def test_a_crossing_right_after_a_failure_is_not_lost(play: Play) -> None:
    shop = play(boss={"on": {"value_changed": {"metrics": "revenue", "crosses": 500}}})
    shop.change(f"INSERT INTO {ORDERS} SELECT * FROM {ORDERS} WHERE order_id = 1")
    shop.check(shop.dbt_keys)
    shop.publish()
    shop.change(f"DELETE FROM {ORDERS} WHERE order_id = 1 AND rowid > 8")
    shop.check(shop.dbt_keys)
    shop.sell(1_000)
    shop.sell(6.1)
    assert shop.look().agents == ["boss"]


def test_groups_that_vanish_have_changed_and_those_without_a_value_are_none(play: Play) -> None:
    by = {"metrics": "revenue", "by": "customer"}
    shop = play(boss={"on": {"value_changed": by}})
    assert any(
        cells[-1] == NO_VALUE for points in shop.current.watched.values() for cells in points
    )
    shop.sell(7)
    shop.run_all(shop.look())
    assert "no value: 7" in shop.why("boss")
    shop.change(f"DELETE FROM {ORDERS}")
    shop.publish()
    assert shop.look().agents == ["boss"]


def test_where_too_much_happened_to_be_kept_the_agent_runs(play: Play) -> None:
    shop = play(boss={"on": {"value_changed": {"metrics": "revenue", "crosses": 500}}})
    shop.sell(1_000)
    shop.sell(6.1)
    for path in (shop.store.root / "changes").glob("*.json"):
        path.unlink()
    shop.run_all(shop.look())
    assert shop.why("boss") == "- revenue changed more often than is kept"
    assert shop.look().agents == []


def test_what_was_wiped_is_done_again(play: Play) -> None:
    shop = play(boss={}, settle=False)
    shop.look()
    shop.publish()
    shop.run_all(shop.look())
    shop.instance.wipe_assets([agent_key("boss")])
    assert shop.look().agents == ["boss"]


def test_whoever_waits_for_a_failure_reads_nothing_of_what_failed(play: Play) -> None:
    key = dg.AssetKey(["metrics", "revenue"])

    @dg.asset_check(asset=key, blocking=True)
    def sane() -> dg.AssetCheckResult:
        return dg.AssetCheckResult(passed=False)

    shop = play(
        settle=False,
        edit=lambda it: dg.Definitions.merge(it, dg.Definitions(asset_checks=[sane])),
        boss_failed={"on": {"check": {"becomes": "failed", "metrics": "revenue"}}},
    )
    shop.check([key])
    tick = shop.look()
    assert tick.agents == ["boss_failed"]
    token = whole_graph.set(shop.repository.asset_graph)
    try:
        ran = shop.run_requested(tick.of("boss_failed"))
        assert ran.success, ran.failures
        assert {read.outcome for read in shop.reads(ran.run_id)} == {"refused"}
        shop.check([key])
        assert shop.look().agents == [], "executed again, it has not failed again"
    finally:
        whole_graph.reset(token)
