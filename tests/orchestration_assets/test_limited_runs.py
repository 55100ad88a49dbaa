"""An agent that reaches a limit, in real runs over the corner shop: a materialization without an answer."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import pytest

from tests.orchestration_assets.corner_shop import CORNER, build_definitions, warehouse_of
from tests.orchestration_assets.location import Location, agent_key, fork
from tests.orchestration_assets.test_sensors import SOUTH_PAYS_MORE, change

BOSS = agent_key("boss")
REPORT = dg.AssetKey("report")
# It lists its metrics, reads them, and has no turn left to decide.
SHORT = "limits: {turns: 2}\ngrounding: {on_untraced: block}\n"


@pytest.fixture
def limited(settled_shop: Path, tmp_path: Path) -> Iterator[Location]:
    """The settled shop, whose boss may not come to a decision any more, and what rests on that."""
    agents = shutil.copytree(CORNER / "agents", tmp_path / "agents")
    with (agents / "boss.yaml").open("a") as file:
        file.write(SHORT)
    folder = fork(settled_shop, tmp_path / "shop")

    @dg.asset(key=REPORT, deps=[BOSS])
    def report() -> None:
        """What somebody makes of the decision."""

    definitions = dg.Definitions.merge(
        build_definitions(folder, agents=agents), dg.Definitions(assets=[report])
    )
    with Location(folder, definitions, warehouse_of(folder)) as location:
        yield location


def test_a_limited_run_is_a_materialization_that_nothing_rests_on(limited: Location) -> None:
    decided_on = limited.metadata(BOSS)["basis"]
    ran = limited.run([BOSS, REPORT])
    assert ran.materialized == {BOSS}
    told = limited.metadata(BOSS)
    assert told["state"] == "limited"
    assert "request_limit of 2" in told["limit"]
    assert told["basis"] == decided_on
    assert told.keys().isdisjoint({"answer", "decision", "findings", "figures"})
    assert (told["requests"], told["reads_allowed"]) == (2, 1)
    assert told["cost_usd"] == 0
    check = limited.evaluation(BOSS, "grounded")
    assert not check.passed
    assert str(check.description).startswith("It came to no decision")
    reads = limited.reads(ran.run_id)
    assert {(read.metric, read.outcome) for read in reads} == {
        ("orders", "allowed"),
        ("revenue", "allowed"),
    }
    assert len(limited.observations(ran.run_id)) == 2


def test_what_a_limited_run_did_not_look_at_is_told_to_the_next_one(limited: Location) -> None:
    change(limited, SOUTH_PAYS_MORE)
    tick = limited.tick()
    assert tick.agents == ["boss"]
    limited.run_requested(tick.of("boss"))
    again = limited.tick()
    assert again.agents == []
    assert again.why_not("boss").endswith("for these values ended at a limit")
    change(limited, SOUTH_PAYS_MORE)
    request = limited.tick().of("boss")
    assert request.tags["governed_agents/because"] == "revenue"
