"""How an agent's decisions turned out, in real runs: told by a person or found out by a check, and shown on its page."""

import shutil
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

import pytest

from agent_resources.decision import Decision
from orchestration_assets.cli.app import main
from orchestration_assets.outcome_check import Ask
from semantic.answer import MetricAnswer
from semantic.ledger.verdicts import Turned, Verdict
from tests.orchestration_assets.corner_shop import CORNER, build_definitions, warehouse_of
from tests.orchestration_assets.location import Location, agent_key, fork

BOSS = agent_key("boss")
JUDGED = f"outcome: {{call: '{__name__}:judge', reader: boss, at_least: 0.9}}\n"


def judge(decision: Decision, made: datetime, ask: Ask) -> Verdict | None:
    """Right where the orders are still as many as it said."""
    answer = ask({"metrics": "orders"})
    assert isinstance(answer, MetricAnswer), answer
    assert made.tzinfo is not None
    [figure, *_] = decision.figures()
    is_right = figure.value <= float(answer.rows[0][0])
    return Verdict(turned=Turned.RIGHT if is_right else Turned.WRONG)


@pytest.fixture
def judged(settled_shop: Path, tmp_path: Path) -> Iterator[Location]:
    agents = shutil.copytree(CORNER / "agents", tmp_path / "agents")
    with (agents / "boss.yaml").open("a") as file:
        file.write(JUDGED)
    folder = fork(settled_shop, tmp_path / "shop")
    definitions = build_definitions(folder, agents=agents)
    with Location(folder, definitions, warehouse_of(folder)) as location:
        yield location


def test_a_check_finds_out_and_the_page_of_the_agent_shows_it(judged: Location) -> None:
    judged.run([BOSS])
    check = judged.evaluation(BOSS, "outcome")
    assert check.passed
    told = {name: value.value for name, value in check.metadata.items()}
    assert told["told"] == told["right"] == told["decisions"] >= 1
    judged.run([BOSS])
    metadata = judged.metadata(BOSS)
    assert metadata["outcomes_right_share"] == 1.0
    assert metadata["outcomes_told"] >= 1


def test_a_person_tells_on_the_command_line(
    judged: Location, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    judged.run([BOSS])
    decision = judged.metadata(BOSS)["decision_id"]
    monkeypatch.setenv("DAGSTER_HOME", str(judged.home))

    def command(*arguments: str) -> tuple[int, str, str]:
        monkeypatch.setattr("sys.argv", ["governed-agents", *arguments])
        with pytest.raises(SystemExit) as ended:
            main()
        said = capsys.readouterr()
        return int(ended.value.code or 0), said.out, said.err

    assert command("outcome", decision, "wrong", "--value", "-12.5", "--unit", "EUR")[0] == 0
    code, out, _ = command("outcomes", "--agent", "boss")
    assert code == 0
    assert "-12.5" in out
    assert command("outcomes", "--by", "day", "--json")[0] == 0
    for arguments, told in (
        (("outcome", decision), "say right or wrong"),
        (("outcome", decision, "right", "--value", "much"), "is no amount"),
        (("outcome", decision, "right", "--value", "1e99"), "is no amount"),
        (("outcome", decision[:-1] + "x", "right"), "did you mean"),
    ):
        code, _, error = command(*arguments)
        assert code in (1, 2)
        assert told in error
