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
  - budget: chat models a month
    readers: ["*"]
    per: team
    within: 30d
    tokens: 20000000
    dollars: 100
"""

import re
from decimal import Decimal
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
from semantic.ledger.budgets import MICROS, duration, word_of
from semantic.policy_words import Names, Word

_SECONDS = {"s": 1, "m": 60, "h": 3_600, "d": 86_400}
_LONGEST = 366 * 86_400
Dollars = Annotated[Decimal, Field(ge=0, le=10**9, decimal_places=6)]
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
    tokens: Amount | None = None
    dollars: Dollars | None = None

    @model_validator(mode="after")
    def _limits_something(self) -> Self:
        if not self._amounts():
            raise ValueError("a budget limits queries, rows, bytes, tokens or dollars")
        of_models = self._amounts().keys() & {Unit.TOKENS, Unit.MONEY}
        if of_models and (self.metrics or self.per is Per.METRIC):
            raise ValueError(
                "tokens and dollars are of chat models: a budget of metrics limits neither"
            )
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
            Unit.TOKENS: self.tokens,
            Unit.MONEY: None if self.dollars is None else int(self.dollars * MICROS),
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
        **dict(plain_limit(unit, limit) for unit, limit in rule.limits.items()),
    }


def plain_limit(unit: Unit, limit: int) -> tuple[str, int | str]:
    """A limit as it stands in the file: money in dollars."""
    plain = format(Decimal(limit) / MICROS, "f") if unit is Unit.MONEY else limit
    return word_of(unit), plain
