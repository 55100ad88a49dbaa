"""Who has to approve what an agent proposes, as its author writes it.

    approval: {of: decision, by: [ops-lead@example.com, "duty-*"], within_hours: 8, remind_after_hours: 2, escalate_after_hours: 4, escalate_to: [head@example.com]}

What a tool with the effect `write` would do is always proposed; with `of: decision` so is everything that the agent decides.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Literal, Self

from pydantic import BeforeValidator, Field, StringConstraints, model_validator

from agent_resources.written import Written, as_list

_People = Annotated[
    tuple[Annotated[str, StringConstraints(min_length=1, max_length=200)], ...],
    BeforeValidator(as_list),
    Field(max_length=50),
]
_LONGEST_HOURS = 8_784.0


class ApprovalOf(Written):
    """What needs a person, and whom. `by` are names, with `*`, by which people are known by their tokens; without any it is the agent's owner.

    A proposal that nobody answered ends after `within_hours`. Those who may answer are told of it, reminded after `remind_after_hours`, and after
    `escalate_after_hours` others are told too. Who asked for the run may not answer it, unless `by_requester`.
    """

    of: Literal["actions", "decision"] = "actions"
    by: _People = ()
    by_requester: bool = False
    within_hours: float = Field(default=24.0, gt=0, le=_LONGEST_HOURS)
    remind_after_hours: float | None = Field(default=None, gt=0, le=_LONGEST_HOURS)
    escalate_after_hours: float | None = Field(default=None, gt=0, le=_LONGEST_HOURS)
    escalate_to: _People = ()

    @model_validator(mode="after")
    def _fits_its_time(self) -> Self:
        for name in ("remind_after_hours", "escalate_after_hours"):
            hours = getattr(self, name)
            if hours is not None and hours >= self.within_hours:
                raise ValueError(
                    f"{name} {hours:g} comes after the proposal ended, at {self.within_hours:g} hours"
                )
        if (self.escalate_after_hours is None) != (not self.escalate_to):
            raise ValueError("escalate_after_hours and escalate_to go together")
        return self


@dataclass(frozen=True, kw_only=True)
class ProposedAction:
    """A call that an agent wants made: the tool, its arguments as JSON values, and the id of its record."""

    tool: str
    arguments: Mapping[str, Any]
    record_id: str

    @property
    def name(self) -> str:
        return self.tool.partition(":")[2]
