"""Which budgets a read or a request to a chat model is under, by the rules of the policy."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from semantic.ledger import Budget, Charge, ReadContext, Unit
from semantic.pattern import matches_any


class Per(StrEnum):
    """Whose spending is counted together: that of each reader, team, run with its retries, or metric, or that of all.

    A reader without a team counts by itself, and so does a read outside any run.
    """

    READER = "reader"
    TEAM = "team"
    RUN = "run"
    METRIC = "metric"
    ALL = "all"


@dataclass(frozen=True, kw_only=True)
class BudgetRule:
    """How much readers may spend on metrics, and on chat models: of each unit in `limits`, within any `seconds`, or altogether where that is
    None.

    `metrics` are patterns of names; empty means all. Tokens and money are of chat models, and of no metric. Who reads for another is under
    the budgets of both.
    """

    name: str
    readers: frozenset[str]
    limits: Mapping[Unit, int]
    per: Per = Per.READER
    seconds: int | None = None
    metrics: frozenset[str] = field(default_factory=frozenset)

    def charges(
        self,
        readers: Sequence[str],
        team: str | None,
        context: ReadContext,
        metrics: Sequence[str],
        most: Callable[[Unit], int | None],
    ) -> Iterator[Charge]:
        """What a read of `metrics`, or a request to a chat model, which has none, takes from it at most. `readers` are who asks and for whom;
        `most` says how much it may take of a unit, None where that is nothing.
        """
        names = [name for name in metrics if not self.metrics or matches_any(name, self.metrics)]
        whom = [name for name in readers if matches_any(name, self.readers)]
        if not whom or (metrics and not names):
            return
        for unit in self.limits:
            amount = most(unit)
            if amount is None:
                continue
            for whose in self._whose(whom, team, context, names):
                yield self._charge(unit, amount, whose)

    def _charge(self, unit: Unit, most: int, whose: str | None) -> Charge:
        """What is taken from the share of somebody; with None, of this read alone."""
        limit = self.limits[unit]
        if whose is None:
            name = f"{self.name}: outside any run"
            return Charge(
                budget=Budget(name=name, unit=unit, limit=limit), most=most, is_alone=True
            )
        name = f"{self.name}: {whose}" if whose else self.name
        budget = Budget(name=name, unit=unit, limit=limit, seconds=self.seconds)
        return Charge(budget=budget, most=most)

    def _whose(
        self,
        readers: Sequence[str],
        team: str | None,
        context: ReadContext,
        metrics: Sequence[str],
    ) -> Iterable[str | None]:
        match self.per:
            case Per.READER:
                return readers
            case Per.TEAM:
                return [team] if team else [f"{reader} without a team" for reader in readers]
            case Per.RUN:
                return [context.root_run_id or context.run_id or None]
            case Per.METRIC:
                return metrics
            case Per.ALL:
                return [""]
