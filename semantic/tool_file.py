"""The rules on tools of `policy.yaml`.

tools:
  - permit: the watches convert units
    readers: ["*_watch"]
    tools: [miles_in_kilometres]
  - permit: the doctor tries a failed run again once by itself
    readers: [pipeline_doctor]
    tools: [retry]
    unattended: {times: 1, hours: 24, per: run_id}
  - forbid: trainees open no tickets
    readers: ["trainee_*"]
    tools: [open_ticket]
"""

from typing import Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from semantic.policy_words import Names, Word
from semantic.tool_rule import ToolRule, ToolVerb, Unattended


class UnattendedText(BaseModel):
    """How often without a person, as it stands in the file."""

    model_config = ConfigDict(extra="forbid")

    times: int = Field(ge=1, le=1_000)
    hours: float = Field(gt=0, le=8_784)
    per: Word | None = None


class ToolRuleText(BaseModel):
    """One rule on tools as it stands in the file."""

    model_config = ConfigDict(extra="forbid")

    permit: Word | None = None
    forbid: Word | None = None
    readers: Names = Field(min_length=1)
    tools: Names = Field(min_length=1)
    unattended: UnattendedText | None = None

    @model_validator(mode="after")
    def _is_one_kind(self) -> Self:
        if (self.permit is None) == (self.forbid is None):
            raise ValueError("a rule on tools starts with one of permit and forbid, and its name")
        if self.forbid is not None and self.unattended is not None:
            raise ValueError("what is forbidden is never done, with a person or without")
        return self

    def rule(self) -> ToolRule:
        """The rule that it says."""
        verb = ToolVerb.PERMIT if self.permit is not None else ToolVerb.FORBID
        return ToolRule(
            name=str(self.permit if verb is ToolVerb.PERMIT else self.forbid),
            verb=verb,
            readers=frozenset(self.readers),
            tools=frozenset(self.tools),
            unattended=Unattended(
                times=self.unattended.times,
                hours=self.unattended.hours,
                per=self.unattended.per,
            )
            if self.unattended
            else None,
        )


def plain_tool_rule(rule: ToolRule) -> dict[str, object]:
    """A rule on tools as plain values."""
    return {
        rule.verb.value: rule.name,
        "readers": sorted(rule.readers),
        "tools": sorted(rule.tools),
        **(
            {
                "unattended": {
                    "times": rule.unattended.times,
                    "hours": str(rule.unattended.hours),
                    **({"per": rule.unattended.per} if rule.unattended.per else {}),
                }
            }
            if rule.unattended
            else {}
        ),
    }
