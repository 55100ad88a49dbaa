"""The clients of docs/serving.md, as they stand there, over the demonstration's flights and a real server; then all of them are on record."""

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import anyio
import pytest
from pydantic_ai.messages import ModelMessage, ModelResponse, TextPart, ToolCallPart
from pydantic_ai.models.function import AgentInfo, FunctionModel

from semantic.ledger.sessions import sessions_after
from semantic.ledger.tokens import mint_token
from tests.orchestration_assets.location import Location

SERVING = Path(__file__).parents[3] / "docs" / "serving.md"
COMMAND = Path(sys.executable).parent / "governed-agents"


@contextmanager
def serving(home: Path) -> Iterator[str]:
    """The command line's own server on a free port. Returns where it is."""
    process = subprocess.Popen(
        [COMMAND, "serve", "--http", "0"],
        env={**os.environ, "DAGSTER_HOME": str(home)},
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stderr is not None
        said = process.stderr.readline()
        found = re.search(r"http://\S+/mcp", said)
        assert found is not None, said
        yield found[0]
    finally:
        process.terminate()
        assert process.wait(20) == 0
        assert process.stderr is not None
        process.stderr.close()


def documented(**given: str) -> dict[str, Any]:
    """What the blocks of Python in the documentation define."""
    names: dict[str, Any] = dict(given)
    for block in re.findall(r"```python\n(.*?)```", SERVING.read_text(), re.S):
        exec(compile(block, str(SERVING), "exec"), names)
    return names


def command(home: Path, *arguments: str) -> Any:
    done = subprocess.run(
        [COMMAND, *arguments, "--json"],
        env={**os.environ, "DAGSTER_HOME": str(home)},
        capture_output=True,
        text=True,
        check=True,
    )
    return json.loads(done.stdout)


def scripted(messages: list[ModelMessage], info: AgentInfo) -> ModelResponse:
    """Asks by carrier, asks for what it may not have, and answers with what it was told."""
    returns = [
        part for message in messages for part in message.parts if part.part_kind == "tool-return"
    ]
    assert {"list_metrics", "query_metrics"} <= {tool.name for tool in info.function_tools}
    asked = [
        {"metrics": ["flights"], "group_by": ["carrier"], "order_by": ["-flights"], "limit": 1},
        {"metrics": ["seats_flown"]},
    ]
    if len(returns) < len(asked):
        return ModelResponse([ToolCallPart("query_metrics", asked[len(returns)])])
    return ModelResponse([TextPart(json.dumps([str(part.content) for part in returns]))])


@pytest.mark.filterwarnings("ignore::DeprecationWarning:fastmcp.*")
@pytest.mark.filterwarnings("ignore::DeprecationWarning:pydantic_ai.*")
def test_each_client_reads_the_same_and_one_command_shows_them_all(
    flights: Location, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", f"{COMMAND.parent}{os.pathsep}{os.environ['PATH']}")
    with flights.ledger() as ledger:
        token, _ = mint_token(ledger, "network_planner", by="the operator", days=1)
    with serving(flights.home) as url:
        clients = documented(DAGSTER_HOME=str(flights.home), TOKEN=token, URL=url)
        by_carrier = anyio.run(clients["flights_by_carrier"])
        [[whole]] = anyio.run(clients["flights_over_http"])
        answered = clients["answer_with_pydantic_ai"]("Who flies most?", FunctionModel(scripted))
    [most, refused] = json.loads(answered)
    assert whole == sum(row[1] for row in by_carrier)
    assert by_carrier[0][0] in most
    assert str(by_carrier[0][1]) in most
    assert "not_available" in refused

    with flights.ledger() as ledger:
        assert all(it.ended_at for it in sessions_after(ledger, 0)), "a server that ends says so"
    reads = command(flights.home, "reads", "--metric", "flights")
    readers = {read["agent"] for read in reads}
    assert {"operations_watch", "network_planner", "analyst_ua"} <= readers
    outside = [read for read in reads if read["purpose"] == "mcp"]
    assert [read["agent"] for read in outside].count("network_planner") == 2
    assert {read["agent"] for read in outside} == {"network_planner", "operations_watch"}
    assert len({read["data_version"] for read in outside}) == 1


def test_each_agent_of_the_registry_has_a_signed_card(flights: Location, tmp_path: Path) -> None:
    """The registry tells of agents outside as well, which have no model of ours."""
    outside = {
        "name": "research_desk",
        "description": "Answers questions.",
        "owner": None,
        "team": "research",
        "metrics": ["flights"],
        "known_as": "../desk",
        "outside": True,
        "definition_hash": "1",
    }
    with flights.ledger() as ledger:
        ledger.register_agent("../desk", "1", outside)
    here = tmp_path / "here"
    here.mkdir()
    rows = {row["agent"]: row for row in command(flights.home, "agents")}
    assert rows["../desk"]["state"] == "outside Dagster"
    done = subprocess.run(
        [COMMAND, "agents", "export", "cards", "--url", "https://dagster.example.com"],
        env={**os.environ, "DAGSTER_HOME": str(flights.home)},
        cwd=here,
        capture_output=True,
        text=True,
        check=True,
    )
    cards = here / "cards"
    assert "cards, signed with the key" in done.stderr
    files = {path.name for path in cards.iterdir()}
    assert {"research_desk.json", "operations_watch.json", "keys.json"} <= files
    assert list(here.iterdir()) == [cards], (
        "no file is written elsewhere, whatever an agent is known as"
    )
    [key] = json.loads((cards / "keys.json").read_text())["keys"]
    assert key["crv"] == "Ed25519"
    assert "d" not in key
