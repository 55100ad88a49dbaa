"""The budgets of `policy.yaml`.

budgets:
  - budget: analysts a day
    readers: ["analyst_*"]
    per: reader
    within: 1d
    queries: 500
    rows: 100000
  - budget: any one run
    readers: ["*"]
    per: run
    bytes: 50000000000
"""

import re
from typing import Annotated, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    StrictInt,
    StrictStr,
    model_validator,
)

from semantic.budget_rule import BudgetRule, Per
from semantic.ledger import Unit
from semantic.ledger.budgets import duration
from semantic.policy_words import Names, Word

_SECONDS = {"s": 1, "m": 60, "h": 3_600, "d": 86_400}
_LONGEST = 366 * 86_400
Amount = Annotated[StrictInt, Field(ge=0, le=10**15)]


def _as_duration(value: str) -> str:
    found = re.fullmatch(r"([1-9]\d{0,8})([smhd])", value)
    if found is None or not 1 <= int(found[1]) * _SECONDS[found[2]] <= _LONGEST:
        raise ValueError("a window is like 30s, 5m, 2h or 1d, of at most 366 days")
    return value


class BudgetText(BaseModel):
    """One budget as it stands in the file."""

    model_config = ConfigDict(extra="forbid")

    budget: Word
    readers: Names = Field(min_length=1)
    metrics: Names = []
    per: Per = Per.READER
    within: Annotated[StrictStr, AfterValidator(_as_duration)] | None = None
    queries: Amount | None = None
    rows: Amount | None = None
    bytes: Amount | None = None

    @model_validator(mode="after")
    def _limits_something(self) -> Self:
        if not self._amounts():
            raise ValueError("a budget limits queries, rows or bytes")
        if self.within is None and self.per is not Per.RUN:
            raise ValueError("a budget that is not per run says within what time: `within: 1d`")
        return self

    def rule(self) -> BudgetRule:
        """The rule that it says."""
        seconds = int(self.within[:-1]) * _SECONDS[self.within[-1]] if self.within else None
        return BudgetRule(
            name=self.budget,
            readers=frozenset(self.readers),
            metrics=frozenset(self.metrics),
            per=self.per,
            seconds=seconds,
            limits=self._amounts(),
        )

    def _amounts(self) -> dict[Unit, int]:
        limits = {
            Unit.QUERIES: self.queries,
            Unit.ROWS: self.rows,
            Unit.BYTES: self.bytes,
        }
        return {unit: limit for unit, limit in limits.items() if limit is not None}


def plain_budget(rule: BudgetRule) -> dict[str, object]:
    """A budget as plain values."""
    return {
        "budget": rule.name,
        "readers": sorted(rule.readers),
        "metrics": sorted(rule.metrics),
        "per": rule.per.value,
        "within": duration(rule.seconds) if rule.seconds else None,
        **{unit.value: limit for unit, limit in rule.limits.items()},
    }
