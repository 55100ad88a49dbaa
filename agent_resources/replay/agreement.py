"""How far two decisions of an agent say the same."""

import re
from collections import Counter
from dataclasses import dataclass

from agent_resources.decision import Decision

_NUMBER = re.compile(r"\d[\d,]*(?:\.\d+)?")


@dataclass(frozen=True, kw_only=True)
class Agreement:
    """What two decisions have in common. `figures` is the share of figures of either that stand in both, by name, read and value, 1 where neither has
    any; `numbers` says whether their answers state the same ones, and `output` is None where neither has one.
    """

    same_answer: bool
    figures: float
    numbers: bool
    output: bool | None
    confidence: float

    @property
    def is_whole(self) -> bool:
        """Whether every figure, every number in the answer and the output are the same. Other words may differ."""
        return self.figures == 1 and self.numbers and self.output is not False


def agreement(before: Decision, after: Decision) -> Agreement:
    """How far the decisions agree. `confidence` is by how much the second is surer."""
    has_output = before.output is not None or after.output is not None
    return Agreement(
        same_answer=before.answer.split() == after.answer.split(),
        figures=_shared_figures(before, after),
        numbers=_numbers(before.answer) == _numbers(after.answer),
        output=before.output == after.output if has_output else None,
        confidence=after.confidence - before.confidence,
    )


def _shared_figures(before: Decision, after: Decision) -> float:
    one, other = (
        Counter(
            (figure.name.casefold(), figure.read_id, _rounded(figure.value))
            for figure in decision.figures()
        )
        for decision in (before, after)
    )
    every = (one | other).total()
    return (one & other).total() / every if every else 1.0


def _numbers(text: str) -> list[str]:
    """The numbers of a text, in their order."""
    return [found.replace(",", "") for found in _NUMBER.findall(text)]


def _rounded(value: float) -> str:
    return f"{value:.9g}"
