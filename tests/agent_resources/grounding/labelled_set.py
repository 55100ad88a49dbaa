"""Statements about eleven reads of the flights, each labelled by whether the reads that it cites carry it.

The statements were written for this, without a look at the code, half of them with one thing wrong, and every label was computed from the
cells. `development` was looked at while the code was written, `held_out` was not.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from agent_resources.agent_run import ReadOfRun
from agent_resources.grounding.evidence import Table, table_of
from agent_resources.grounding.statement import Vocabulary
from agent_resources.grounding.trace import trace_text
from semantic.answer_json import answer_from_json

_FOLDER = Path(__file__).parent / "labelled"


@dataclass(frozen=True, kw_only=True)
class Measured:
    """How many statements were taken for wrong that are, that are not, and how many wrong ones for right."""

    found: int
    false_alarms: int
    missed: int
    statements: int

    @property
    def precision(self) -> float:
        return self.found / (self.found + self.false_alarms)

    @property
    def recall(self) -> float:
        return self.found / (self.found + self.missed)

    def __str__(self) -> str:
        return (
            f"{self.statements} statements, precision {self.precision:.3f}, recall {self.recall:.3f} "
            f"({self.found} found, {self.false_alarms} false alarms, {self.missed} missed)"
        )


def load_statements(name: str) -> list[dict[str, Any]]:
    lines = (_FOLDER / f"{name}.jsonl").read_text(encoding="utf-8").splitlines()
    return [json.loads(line) for line in lines]


def load_tables() -> dict[str, Table]:
    """The reads, by the name that the statements cite them by."""
    tables = {}
    for written in json.loads((_FOLDER / "reads.json").read_text()):
        read = ReadOfRun(asked=written["asked"], result=answer_from_json(written["answer"]))
        table = table_of(read)
        assert table is not None
        tables[written["name"]] = replace(table, read_id=written["name"])
    return tables


def measure(statements: Sequence[dict[str, Any]]) -> Measured:
    """Holds each statement against the reads that it cites."""
    tables = load_tables()
    vocabulary = Vocabulary.of(tables.values())
    found = false_alarms = missed = 0
    for statement in statements:
        cited = [tables[name] for name in statement["reads"]]
        traces = trace_text(statement["text"], cited, vocabulary)
        is_taken_for_wrong = not all(trace.is_grounded for trace in traces)
        if statement["supported"]:
            false_alarms += is_taken_for_wrong
        else:
            found += is_taken_for_wrong
            missed += not is_taken_for_wrong
    return Measured(
        found=found, false_alarms=false_alarms, missed=missed, statements=len(statements)
    )
