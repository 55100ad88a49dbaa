"""Failed runs that are hard to mend: behind a check, of partitions, of graphs and jobs, tried by Dagster itself, damaged files; one of them is no reason that others wait."""

from typing import Any

import dagster as dg
import pytest

from semantic.ledger.approvals import ApprovalState, RemedyEnd
from semantic.ledger.verdicts import Turned
from tests.orchestration_assets.location import PLATFORM, SNAPSHOT
from tests.orchestration_assets.platform import weather
from tests.orchestration_assets.recovery import hard_cases, scripts
from tests.orchestration_assets.recovery.conftest import Open
from tests.orchestration_assets.recovery.ward import ONCE, Ward

RETRY = ("retry", {})


@pytest.fixture(autouse=True)
def _with_hard_cases(monkeypatch: pytest.MonkeyPatch) -> None:
    merged = dg.Definitions.merge(weather.DEFINITIONS, hard_cases.DEFINITIONS)
    monkeypatch.setattr(weather, "DEFINITIONS", merged)


def allowed(shop: Ward) -> None:
    """What failed is published, diagnosed, approved and asked for."""
    shop.diagnose()
    if shop.proposals[-1].state is ApprovalState.PENDING:
        shop.decide()
    shop.act()


def of_day(shop: Ward, day: str, *names: str) -> bool:
    return shop.run([dg.AssetKey(it) for it in names], tags={"dagster/partition": day}).success


def test_what_lies_below_a_failed_check_is_not_made_without_it(ward: Open) -> None:
    shop = ward(RETRY, unattended=ONCE)
    weather.FAILS[hard_cases.GUARD] = "no good"
    assert not shop.run([dg.AssetKey("guarded"), dg.AssetKey("below")]).success
    allowed(shop)
    weather.MADE.clear()
    again = shop.launch(shop.recover())
    assert not again.success
    assert weather.MADE == ["guarded"]
    shop.recover()
    assert shop.turned == [Turned.WRONG]


def test_another_partition_does_not_mend_the_one_that_failed(ward: Open) -> None:
    shop = ward(RETRY)
    weather.FAILS["daily"] = "away"
    assert not of_day(shop, "2024-01-02", "daily")
    weather.FAILS.clear()
    allowed(shop)
    assert of_day(shop, "2024-01-05", "daily")
    [request] = shop.recover().run_requests or ()
    assert request.partition_key == "2024-01-02"
    assert of_day(shop, "2024-01-02", "daily")
    assert "made by another run since" in str(shop.recover().skip_reason)


def test_what_has_other_partitions_is_not_made_with_it_and_keeps_nobody_waiting(
    ward: Open,
) -> None:
    shop = ward(("refresh_upstream", {}))
    weather.FAILS["daily"] = "away"
    assert not of_day(shop, "2024-01-02", "daily")
    allowed(shop)
    scripted = shop.fail("exported")
    scripts.PROPOSED[:] = [("refresh_upstream", {"run_id": scripted.run_id})]
    allowed(shop)
    result = shop.recover()
    [request] = result.run_requests or ()
    assert request.tags["governed_agents/first_run"] == scripted.run_id
    ends = [it.end for proposal in shop.proposals for it in proposal.remedies.values()]
    assert ends == [RemedyEnd.NOT_DONE]


def test_an_asset_of_a_graph_is_made_again(ward: Open) -> None:
    shop = ward(RETRY)
    shop.fail("graphed")
    allowed(shop)
    assert shop.launch(shop.recover()).success


def test_a_run_that_dagster_tries_again_has_not_ended(ward: Open) -> None:
    shop = ward(RETRY)
    shop.fail("exported")
    allowed(shop)
    [request] = shop.recover().run_requests or ()
    weather.FAILS["exported"] = "still away"
    tags = {**request.tags, "dagster/will_retry": "true"}
    assert not shop.run([dg.AssetKey("exported")], tags=tags).success
    weather.FAILS.clear()
    assert "tries the run" in str(shop.recover().skip_reason)
    tags = {**request.tags, "dagster/retry_number": "1"}
    assert shop.run([dg.AssetKey("exported")], tags=tags).success
    shop.recover()
    assert shop.turned == [Turned.RIGHT]


def test_tries_of_dagster_itself_are_not_counted(ward: Open) -> None:
    shop = ward(RETRY)
    weather.FAILS["exported"] = "away"
    first = ""
    for will_retry in ("true", "true", "true", "false"):
        tags = {"dagster/will_retry": will_retry}
        ran = shop.run(
            [dg.AssetKey("exported")],
            tags=tags | ({"governed_agents/first_run": first} if first else {}),
        )
        first = first or ran.run_id
    shop.refresh()
    assert shop.tick().agents == ["doctor"]


def test_a_remedy_in_vain_is_not_asked_for_without_end(ward: Open) -> None:
    shop = ward(RETRY, attempts=2)

    @dg.op
    def bursts() -> None:
        raise ValueError("wrong")

    @dg.job
    def pipeline() -> None:
        bursts()

    assert not pipeline.execute_in_process(instance=shop.instance, raise_on_error=False).success
    allowed(shop)
    assert "makes no assets" in str(shop.recover().skip_reason)
    shop.run_all(shop.tick())
    shop.decide()
    shop.act()
    shop.recover()
    tick = shop.tick()
    assert tick.agents == []
    assert "2 remedies of the run" in tick.why_not("doctor")


def test_a_damaged_file_of_the_platform_is_made_anew(ward: Open) -> None:
    shop = ward()
    shop.fail("exported")
    shop.refresh()
    file = shop.store.root / shop.current.version / "dagster_platform.duckdb"
    file.write_bytes(b"garbage" * 1_000)
    for key in (SNAPSHOT, PLATFORM):
        ran = shop.run([key])
        assert ran.success, ran.failures
    assert shop.ask({"metrics": ["dagster_failures"]}) == [{"dagster_failures": 1}]


def test_a_rule_counts_all_its_tools_and_one_run_is_made_at_a_time(ward: Open) -> None:
    every = "[retry, retry_with_more_resources, refresh_upstream]"
    rule = ONCE.replace("tools: [retry]", f"tools: {every}")
    calls: list[tuple[str, dict[str, Any]]] = [
        RETRY,
        ("retry_with_more_resources", {}),
        ("refresh_upstream", {}),
    ]
    shop = ward(*calls, unattended=rule)
    shop.fail("exported")
    shop.diagnose()
    assert shop.proposals[-1].state is ApprovalState.PENDING
    shop.decide()
    shop.act()
    result = shop.recover()
    assert len(result.run_requests or ()) == 1
    assert shop.launch(result).success
    shop.recover()
    ends = [it.end for it in shop.proposals[-1].remedies.values()]
    assert ends == [RemedyEnd.RECOVERED] * 3
    assert shop.turned == [Turned.RIGHT]


@pytest.mark.parametrize("run_id", ["00000000-none", "unknown-run"])
def test_no_rule_answers_for_a_run_that_nobody_knows(ward: Open, run_id: str) -> None:
    shop = ward(("retry", {"run_id": run_id}), unattended=ONCE)
    shop.fail("exported")
    shop.diagnose()
    assert shop.proposals[-1].state is ApprovalState.PENDING


def test_every_rule_that_speaks_of_a_call_has_to_have_room(ward: Open) -> None:
    often = ONCE.replace("once by itself", "often").replace("times: 1", "times: 9")
    shop = ward(RETRY, unattended=ONCE + often)
    first = shop.fail("exported")
    allowed(shop)
    assert shop.proposals[-1].rules == ("often", "once by itself")
    weather.FAILS["exported"] = "still"
    shop.launch(shop.recover())
    weather.FAILS.clear()
    shop.recover()
    shop.diagnose()
    assert shop.proposals[-1].state is ApprovalState.PENDING
    assert first.run_id in str(shop.proposals[0].remedies)
