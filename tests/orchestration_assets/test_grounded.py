"""The check `grounded` of an agent's asset, in real runs over the corner shop."""

import shutil
from pathlib import Path

import dagster as dg

from tests.orchestration_assets import scripts
from tests.orchestration_assets.corner_shop import (
    CORNER,
    build_definitions,
    warehouse_of,
)
from tests.orchestration_assets.location import Location, agent_key, fork

BOSS = agent_key("boss")
REPORT = dg.AssetKey("report")


def untraced(location: Location) -> list[str]:
    table = location.evaluation(BOSS, "grounded").metadata["untraced"].value
    return [record.data["claim"] for record in table.records]


def test_what_an_agent_read_and_states_is_grounded(settled: Location) -> None:
    evaluation = settled.evaluation(BOSS, "grounded")
    assert evaluation.passed
    assert evaluation.metadata["claims"].value == 4
    assert evaluation.metadata["untraced_claims"].value == 0
    read_ids = {record.data["read_id"] for record in settled.metadata(BOSS)["reads"].records}
    traced = evaluation.metadata["traced"].value
    assert {record.data["read_id"] for record in traced.records} == read_ids


def test_an_invented_figure_is_named_and_warned_of(settled: Location) -> None:
    scripts.stated.append("Revenue rose by 12.5% on 8 March 1999")
    assert settled.run([BOSS]).success
    evaluation = settled.evaluation(BOSS, "grounded")
    assert not evaluation.passed
    assert evaluation.severity is dg.AssetCheckSeverity.WARN
    assert evaluation.description == (
        "Cannot be traced to a read that is cited: 12.5% (percentage); 8 March 1999 (date)"
    )
    assert untraced(settled) == ["12.5%", "8 March 1999"]
    assert "12.5%" in settled.metadata(BOSS)["answer"]


def test_where_it_blocks_what_rests_on_the_decision_does_not_run(
    settled_shop: Path, tmp_path: Path
) -> None:
    agents = shutil.copytree(CORNER / "agents", tmp_path / "agents")
    with (agents / "boss.yaml").open("a") as file:
        file.write("grounding: {on_untraced: block}\n")
    folder = fork(settled_shop, tmp_path / "shop")

    @dg.asset(key=REPORT, deps=[BOSS])
    def report() -> None:
        """What somebody makes of the decision."""

    definitions = dg.Definitions.merge(
        build_definitions(folder, agents=agents), dg.Definitions(assets=[report])
    )
    with Location(folder, definitions, warehouse_of(folder)) as location:
        assert location.run([BOSS, REPORT]).materialized == {BOSS, REPORT}
        scripts.stated.append("Revenue rose by 12.5%")
        blocked = location.run([BOSS, REPORT])
        assert not blocked.success
        assert blocked.materialized == {BOSS}
        assert location.evaluation(BOSS, "grounded").severity is dg.AssetCheckSeverity.ERROR
        assert untraced(location) == ["12.5%"]
        assert "12.5%" in location.metadata(BOSS)["answer"]
