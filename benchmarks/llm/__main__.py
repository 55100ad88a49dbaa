"""`python -m benchmarks.llm`: small real models answer questions on the flights. Writes benchmarks/results/llm.json, and prints its table.

Not part of `make bench`: it needs weights of a gigabyte and half an hour.
"""

import argparse
import json
import os
import re
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import duckdb
import httpx2

from agent_resources.agent import AgentDefinition, Limits, Mode
from agent_resources.agent_run import AgentRun
from agent_resources.errors import AgentRunFailed
from agent_resources.models import resolve_model
from agent_resources.patience import Patience
from agent_resources.recorded_model import PricedModel
from agent_resources.runner import run_agent
from benchmarks.data_sets.flights import build_flights
from benchmarks.door import open_door, publish
from benchmarks.llm.questions import QUESTIONS, Asked
from benchmarks.llm.weights import MODELS, Weights, fetch
from semantic.dbt_manifest import load_catalog
from semantic.governed_metrics import GovernedMetrics
from semantic.ledger import Ledger, ReadContext, RecordKind
from semantic.ledger.said import newest_said
from semantic.snapshot import SnapshotStore

RESULTS = Path(__file__).parents[1] / "results" / "llm.json"
GRANTED = "[flights, cancelled_flights, cancellation_rate, average_arrival_delay, on_time_rate]"
POLICY = f"""
rules:
  - {{permit: measure, readers: [refresh], metrics: ["*"]}}
  - {{permit: the flights, readers: [asked], metrics: {GRANTED}}}
"""
INSTRUCTIONS = "You answer one question on the flights out of New York in 2013 (origins EWR, JFK, LGA). State the one figure or name that is asked for."
SECONDS = 180
NUMBER = re.compile(r"-?\d[\d,]*\.?\d*")


@dataclass(frozen=True, kw_only=True)
class Answered:
    """What came of one question. `is_right` where the figure or name is, or where what may not be answered was not."""

    model: str
    mode: str
    question: str
    expected: str | None
    answer: str
    is_right: bool
    reads: int
    refusals: int
    tokens: int
    seconds: float


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.llm", description=__doc__)
    parser.add_argument("--weights", type=Path, default=Path(".llm"), help="keeps the weights here")
    parser.add_argument("--data", type=Path, help="keeps the flights here, and finds them again")
    parser.add_argument("--server", type=Path, default=Path(".venv-llm/bin/python"))
    parser.add_argument("--modes", nargs="+", default=["tools", "constrained"])
    parser.add_argument("--questions", type=int, default=len(QUESTIONS), help="only the first ones")
    parser.add_argument("--models", type=int, nargs="+", default=list(range(len(MODELS))))
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        flights = build_flights((asked.data or Path(scratch)).resolve())
        door = open_door(
            load_catalog(flights.built.target),
            None,
            Ledger.open(Path(scratch) / "ledger.db"),
            SnapshotStore(Path(scratch) / "published"),
            policy_source=POLICY,
        )
        publish(door, flights.built.warehouse)
        expected = expectations(flights.built.warehouse)
        found = earlier()
        for number in asked.models:
            weights = MODELS[number]
            with served(asked.server, fetch(weights, asked.weights)) as url:
                for mode in asked.modes:
                    found = [it for it in found if (it.model, it.mode) != (weights.name, mode)]
                    questions = QUESTIONS[: asked.questions]
                    found += answers(door, weights, mode, url, expected, questions)
                    RESULTS.write_text(
                        json.dumps([asdict(item) for item in found], indent=1) + "\n"
                    )
        door.close()
    print(table(found))


def earlier() -> list[Answered]:
    """What was measured before: a run replaces what it measures anew."""
    return (
        [Answered(**item) for item in json.loads(RESULTS.read_text())] if RESULTS.exists() else []
    )


def expectations(warehouse: Path) -> dict[str, Any]:
    """By question, what SQL says."""
    with duckdb.connect(str(warehouse), read_only=True) as connection:
        [(schema,)] = (
            connection.execute(
                "SELECT schema_name FROM duckdb_tables() WHERE table_name = 'fct_flights'"
            ).fetchall()
            or connection.execute(
                "SELECT schema_name FROM duckdb_views() WHERE view_name = 'fct_flights'"
            ).fetchall()
        )
        connection.execute(f"USE {schema}")
        return {
            item.words: connection.execute(item.sql).fetchall()[0][0] if item.sql else None
            for item in QUESTIONS
        }


@contextmanager
def served(python: Path, model: Path) -> Iterator[str]:
    """The address of a server on 127.0.0.1 that answers with a model, as long as the block lasts."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    environment = os.environ | {"OMP_WAIT_POLICY": "passive", "GOMP_SPINCOUNT": "0"}
    server = subprocess.Popen(
        [str(python), str(Path(__file__).with_name("server.py")), str(model), str(port)],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env=environment,
    )
    try:
        url = f"http://127.0.0.1:{port}"
        wait_for(url, server)
        yield f"{url}/v1"
    finally:
        server.kill()
        server.wait()


def wait_for(url: str, server: "subprocess.Popen[bytes]") -> None:
    for _ in range(120):
        if server.poll() is not None:
            raise RuntimeError(f"the server ended with {server.returncode}")
        try:
            if httpx2.get(f"{url}/health", timeout=2).status_code == 200:
                return
        except httpx2.HTTPError:
            pass
        time.sleep(1)
    raise RuntimeError("the server did not begin to answer")


def answers(
    door: GovernedMetrics,
    weights: Weights,
    mode: Mode,
    url: str,
    expected: dict[str, Any],
    questions: Sequence[Asked],
) -> Iterator[Answered]:
    definition = AgentDefinition(
        name="asked",
        description="Answers questions.",
        instructions=INSTRUCTIONS,
        metrics=(
            "flights",
            "cancelled_flights",
            "cancellation_rate",
            "average_arrival_delay",
            "on_time_rate",
            "seats_flown",
        ),
        mode=mode,
        limits=Limits(turns=8, seconds=SECONDS, answer_tokens=600, rows=50),
    )
    model = resolve_model("a-model", base_url=url, api_key="none")
    for number, question in enumerate(questions):
        context = ReadContext(run_id=f"{weights.sha256[:6]}-{mode}-{number}")
        found = answered(
            door,
            definition,
            PricedModel(model=model, price=None),
            question,
            context,
            expected[question.words],
            weights.name,
        )
        print(
            f"{found.model} {found.mode} {number + 1:2} {'right' if found.is_right else 'wrong'} {found.seconds:5.1f} s  {question.words}  ->  {found.answer[:90]!r} ({found.expected})",
            flush=True,
        )
        yield found


def answered(
    door: GovernedMetrics,
    definition: AgentDefinition,
    model: PricedModel,
    question: Asked,
    context: ReadContext,
    expected: Any,
    name: str,
) -> Answered:
    started = time.monotonic()
    run = None
    try:
        run = run_agent(
            definition, [model], door, context, question=question.words, patience=Patience(tries=1)
        )
        answer = run.decision.answer if isinstance(run, AgentRun) else f"limited: {run.limit}"
    except AgentRunFailed as error:
        answer = f"failed: {error.message}"
    figures = [item.value for item in run.decision.figures()] if isinstance(run, AgentRun) else []
    is_decided = isinstance(run, AgentRun)
    tokens = sum(
        said.details.get("input_tokens", 0) + said.details.get("output_tokens", 0)
        for said in newest_said(door.ledger, definition.name, [RecordKind.OUTCOME], limit=100)
        if said.run_id == context.run_id
    )
    return Answered(
        model=name,
        mode=definition.mode,
        question=question.words,
        expected=None if expected is None else str(expected),
        answer=answer,
        is_right=is_decided and is_right(answer, figures, expected),
        reads=len(run.answers()) if run else 0,
        refusals=len(run.refusals()) if run else 0,
        tokens=tokens,
        seconds=round(time.monotonic() - started, 1),
    )


def is_right(answer: str, figures: list[float], expected: Any) -> bool:
    """Whether the answer states what SQL says, within half a percent, or nothing where it may not be answered."""
    numbers = [
        *figures,
        *(float(text.replace(",", "").rstrip(".")) for text in NUMBER.findall(answer)),
    ]
    if expected is None:
        return not figures and not any(number > 10_000 for number in numbers)
    if isinstance(expected, str):
        return re.search(rf"\b{re.escape(expected)}\b", answer) is not None
    wanted = [float(expected), 100 * float(expected)]
    return any(abs(number - it) <= abs(it) * 0.005 for number in numbers for it in wanted)


def table(found: list[Answered]) -> str:
    """By model and mode: right, refused, tokens and time."""
    lines = [
        "| model | mode | questions | right | came to a decision | reads | refused reads | tokens, median | seconds, median |",
        "| --- | --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: |",
    ]
    for model, mode in dict.fromkeys((item.model, item.mode) for item in found):
        own = [item for item in found if (item.model, item.mode) == (model, mode)]
        middle = len(own) // 2
        decided = sum(not item.answer.startswith(("failed: ", "limited: ")) for item in own)
        lines.append(
            f"| {model} | {mode} | {len(own)} | {sum(item.is_right for item in own)} | {decided} | {sum(item.reads for item in own)} | "
            f"{sum(item.refusals for item in own)} | {sorted(item.tokens for item in own)[middle]:,} | {sorted(item.seconds for item in own)[middle]} |"
        )
    return "\n".join(lines)


if __name__ == "__main__":
    main()
