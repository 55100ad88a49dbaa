"""How far two decisions of an agent say the same."""

from collections import Counter
from dataclasses import dataclass

from agent_resources.decision import Decision


@dataclass(frozen=True, kw_only=True)
class Agreement:
    """What two decisions have in common. `figures` is the share of figures of either that stand in both, by read and value, 1 where neither has any;
    `output` is None where neither has one.
    """

    same_answer: bool
    figures: float
    output: bool | None
    confidence: float

    @property
    def is_whole(self) -> bool:
        """Whether every figure and the output are the same. Words may differ."""
        return self.figures == 1 and self.output is not False


def agreement(before: Decision, after: Decision) -> Agreement:
    """How far the decisions agree. `confidence` is by how much the second is surer."""
    has_output = before.output is not None or after.output is not None
    return Agreement(
        same_answer=before.answer.split() == after.answer.split(),
        figures=_shared_figures(before, after),
        output=before.output == after.output if has_output else None,
        confidence=after.confidence - before.confidence,
    )


def _shared_figures(before: Decision, after: Decision) -> float:
    one, other = (
        Counter((figure.read_id, _rounded(figure.value)) for figure in decision.figures())
        for decision in (before, after)
    )
    every = (one | other).total()
    return (one & other).total() / every if every else 1.0


def _rounded(value: float) -> str:
    return f"{value:.9g}"
