"""A chat model that says what one said in a run that is on record."""

from pathlib import Path

import pytest
from pydantic_ai import models

from agent_resources.agent_run import AgentRun
from agent_resources.errors import ModelUnavailable
from agent_resources.models import ScriptedModel, resolve_model
from agent_resources.played_model import PlayedModel, Recording
from agent_resources.replay.recorded_run import recorded_run
from agent_resources.replay.recording import recording_of
from semantic.governed_metrics import GovernedMetrics
from tests.agent_resources.deciding import decide
from tests.agent_resources.test_replay import by_region, nth
from tests.agent_resources.test_runner import ANALYST
from tests.conftest import OpenDoor


@pytest.fixture
def door(open_door: OpenDoor) -> GovernedMetrics:
    return open_door()


def recorded(door: GovernedMetrics) -> tuple[AgentRun, Recording]:
    run = decide(ANALYST, ScriptedModel(by_region()), door, nth(1))
    return run, recording_of(door.ledger, recorded_run(door.ledger, "run-1"))


def test_a_recording_decides_as_the_run_did_on_reads_of_its_own(
    door: GovernedMetrics, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run, recording = recorded(door)
    file = tmp_path / "watch.json"
    file.write_text(recording.model_dump_json())
    monkeypatch.setattr(models, "ALLOW_MODEL_REQUESTS", False)
    again = decide(ANALYST, resolve_model(f"recorded:{file}"), door, nth(2))
    assert again.decision.answer == run.decision.answer
    assert again.model == f"recorded:{run.model}"
    [before], [now] = (
        [figure.read_id for it in done.decision.findings for figure in it.figures]
        for done in (run, again)
    )
    assert before != now
    assert now in {answer.read_id for answer in again.answers()}


def test_it_holds_what_was_said_and_not_what_was_told(door: GovernedMetrics) -> None:
    run, recording = recorded(door)
    assert len(recording.responses) == run.usage.requests == 3
    assert recording.reads == tuple(item.result.read_id for item in run.reads)
    assert '"rows"' not in recording.model_dump_json()


def test_a_run_that_asks_for_more_than_was_said_ends_with_a_hint(door: GovernedMetrics) -> None:
    _, recording = recorded(door)
    short = recording.model_copy(update={"responses": recording.responses[:1]})
    with pytest.raises(ModelUnavailable) as refused:
        decide(ANALYST, PlayedModel(short), door, nth(2))
    assert "has 1 responses" in str(refused.value)
    assert "governed-agents recording" in str(refused.value.hint)


@pytest.mark.parametrize("text", ["", "{}", "[1]", '{"format": 2}'])
def test_what_is_no_recording_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "it.json").write_text(text)
    with pytest.raises(ModelUnavailable, match="is no recording"):
        resolve_model(f"recorded:{tmp_path / 'it.json'}")
    with pytest.raises(ModelUnavailable, match="Cannot read the recording"):
        resolve_model(f"recorded:{tmp_path / 'gone.json'}")
