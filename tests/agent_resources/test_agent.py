"""An agent's file: what it says, and what is told to its author when it is wrong."""

from pathlib import Path

import pytest

from agent_resources.agent import load_agent
from agent_resources.errors import AgentDefinitionError

GOOD = """
name: watch
description: Watches orders.
model: openai:gpt-5-mini
instructions: watch.md
metrics: orders
"""


def _write(folder: Path, text: str, prompt: str | None = "Watch the orders.") -> Path:
    if prompt is not None:
        (folder / "watch.md").write_text(prompt)
    path = folder / "watch.yaml"
    path.write_text(text)
    return path


def test_a_file_and_its_prompt_make_an_agent(tmp_path: Path) -> None:
    agent = load_agent(_write(tmp_path, GOOD))
    assert agent.instructions == "Watch the orders."
    assert agent.metrics == ("orders",)
    assert agent.reader.asks == {"orders"}


def test_the_hash_changes_with_what_steers_a_run_and_not_with_the_description(
    tmp_path: Path,
) -> None:
    agent = load_agent(_write(tmp_path, GOOD))
    assert load_agent(_write(tmp_path, GOOD.replace("Watches", "Looks at"))).hash == agent.hash
    changed = [
        load_agent(_write(tmp_path, text, prompt=prompt)).hash
        for text, prompt in (
            (GOOD.replace("gpt-5-mini", "gpt-5"), "Watch the orders."),
            (GOOD.replace("metrics: orders", "metrics: [orders, revenue]"), "Watch the orders."),
            (GOOD, "Watch the orders well."),
            (GOOD + "limits: {turns: 3}\n", "Watch the orders."),
        )
    ]
    assert agent.hash not in changed
    assert len(set(changed)) == len(changed)


@pytest.mark.parametrize(
    ("text", "line", "says"),
    [
        (GOOD.replace("metrics: orders", "metrcs: orders"), 6, "metrics"),
        (GOOD.replace("metrics: orders", "metrics: []"), 6, "metrics"),
        (GOOD + "limits: {turns: 0}\n", 7, "limits.turns"),
        (GOOD + "limits: {turns: many}\n", 7, "limits.turns"),
        (GOOD.replace("name: watch", "name: The Watch"), 2, "name"),
        (GOOD.replace("name: watch", "name: refresh"), 2, "the reader that measures"),
        (GOOD + "trigger: {on: full_moon}\n", 7, "trigger.on"),
        (GOOD.replace("watch.md", "other.md"), 5, "other.md"),
        (GOOD.replace("watch.md", "../watch.md"), 5, "outside"),
        (GOOD + "name: twice\n", 7, "twice"),
    ],
)
def test_a_wrong_file_is_told_with_its_line(
    tmp_path: Path, text: str, line: int, says: str
) -> None:
    folder = tmp_path / "agents"
    folder.mkdir()
    (tmp_path / "watch.md").write_text("An outsider.")
    with pytest.raises(AgentDefinitionError) as caught:
        load_agent(_write(folder, text))
    assert says in str(caught.value)
    assert f"watch.yaml:{line}" in str(caught.value)


def test_an_empty_prompt_is_refused(tmp_path: Path) -> None:
    with pytest.raises(AgentDefinitionError, match="is empty"):
        load_agent(_write(tmp_path, GOOD, prompt="  \n"))


def test_a_file_that_is_not_there_is_said(tmp_path: Path) -> None:
    with pytest.raises(AgentDefinitionError, match="Cannot read"):
        load_agent(tmp_path / "nobody.yaml")
