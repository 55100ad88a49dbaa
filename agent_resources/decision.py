"""What an agent decides: an answer, findings, and for each figure the read that it came from."""

from typing import Any

from pydantic import BaseModel, ConfigDict, Field, FiniteFloat


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Figure(_Part):
    """A number in the decision. `read_id` names the governed read whose rows it stands in or is computed from."""

    name: str = Field(min_length=1, max_length=200)
    value: FiniteFloat
    unit: str | None = Field(default=None, max_length=50)
    read_id: str = Field(min_length=1, max_length=36)


class Finding(_Part):
    """One statement, and the figures that it rests on."""

    statement: str = Field(min_length=1, max_length=2_000)
    figures: tuple[Figure, ...] = ()


class Answered(_Part):
    """What every agent answers with. `confidence` is from 0 to 1, as the agent states it."""

    answer: str = Field(min_length=1, max_length=4_000)
    findings: tuple[Finding, ...] = Field(default=(), max_length=50)
    confidence: float = Field(ge=0, le=1)

    def figures(self) -> tuple[Figure, ...]:
        """Every figure of every finding, in order."""
        return tuple(figure for finding in self.findings for figure in finding.figures)


class Decision(Answered):
    """What an agent decided. `output` is what its own type of output asks for beside that, as JSON values; None where it has none."""

    output: dict[str, Any] | None = None
