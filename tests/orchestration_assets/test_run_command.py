"""`governed-agents run`: an agent by hand, on its task or on a question, as a run of the instance."""

import json

import pytest

from semantic.ledger import ReadQuestion, find_reads
from tests.orchestration_assets.commands import Command, typed_in
from tests.orchestration_assets.location import Location, agent_key

MODULE = "tests.orchestration_assets.shop_location"


@pytest.fixture
def command(
    settled: Location, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Command:
    monkeypatch.setenv("CORNER_SHOP", str(settled.folder))
    monkeypatch.setenv("GOVERNED_AGENTS_DEFINITIONS", MODULE)
    return typed_in(settled.home, monkeypatch, capsys)


def test_a_question_is_answered_as_a_run_of_the_instance(
    settled: Location, command: Command
) -> None:
    before = settled.metadata(agent_key("boss"))["basis"]
    [told] = json.loads(command("run", "boss", "--ask", "How much?", "--json").out)
    assert told["answer"] == "orders 9, revenue 133.1"
    assert settled.latest(agent_key("boss")).metadata["answer"].value == told["answer"]
    assert settled.metadata(agent_key("boss"))["basis"] == before, "a question is not its task"
    with settled.ledger() as ledger:
        assert list(find_reads(ledger, ReadQuestion(run=told["run"])))
    spoken = command("run", "boss")
    assert spoken.code == 0
    assert spoken.out.startswith("orders 9, revenue 133.1")


def test_who_asked_is_known_by_a_token(
    settled: Location, command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    token = command("tokens", "mint", "ana@example.com").out.strip()
    monkeypatch.setenv("GOVERNED_AGENTS_TOKEN", token)
    [told] = json.loads(command("run", "boss", "--json").out)
    assert settled.run_tags(told["run"])["governed_agents/requested_by"] == "ana@example.com"
    monkeypatch.setenv("GOVERNED_AGENTS_TOKEN", "gat_" + "x" * 43)
    assert "The token is not known" in command("run", "boss").err


def test_what_cannot_be_run_is_told(
    command: Command, monkeypatch: pytest.MonkeyPatch, settled: Location
) -> None:
    unknown = command("run", "bos")
    assert unknown.code == 1
    assert "This code location has no agent 'bos'" in unknown.err
    assert "did you mean 'boss'?" in unknown.err
    nowhere = command("run", "boss", "-m", "no.such.module")
    assert "The module 'no.such.module' cannot be loaded: No module named 'no'" in nowhere.err
    monkeypatch.delenv("GOVERNED_AGENTS_DEFINITIONS")
    monkeypatch.chdir(settled.folder)
    assert "No code location is named" in command("run", "boss").err
