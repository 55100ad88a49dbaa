"""The budgets that a request to a chat model is under: those of the policy, and the limits of its agent."""

from dataclasses import dataclass

from agent_resources.agent import Limits
from agent_resources.errors import ModelUnavailable
from agent_resources.prices import PRICES_FILE, Price
from semantic.ledger import Budget, Charge, ReadContext, Unit
from semantic.ledger.budgets import MICROS
from semantic.pattern import matches_any
from semantic.policy import Policy, Reader


@dataclass(frozen=True, kw_only=True)
class ModelBudgets:
    """What the requests of one run may take. An agent's own limits are those of its root run, so that retries share them."""

    policy: Policy
    reader: Reader
    context: ReadContext
    limits: Limits
    run: str

    def charges(
        self, *, input_tokens: int, output_tokens: int, price: Price | None
    ) -> tuple[Charge, ...]:
        """What a request of at most so many tokens may take of each budget that it is under. Raises `ModelUnavailable` where one of them
        is in money, and nobody knows the price.
        """
        tokens = input_tokens + output_tokens
        money = price.micros(input_tokens, output_tokens) if price else None
        if money is None:
            self._refuse_budgets_in_money()
        most = {Unit.TOKENS: tokens, Unit.MONEY: money}
        of_policy = (
            charge
            for rule in self.policy.budgets
            for charge in rule.charges(
                self.reader.names, self.policy.team_of(self.reader), self.context, (), most.get
            )
        )
        return (*self._own(tokens, money), *of_policy)

    def _refuse_budgets_in_money(self) -> None:
        in_money = [
            f"the budget '{rule.name}'"
            for rule in self.policy.budgets
            if Unit.MONEY in rule.limits
            and any(matches_any(name, rule.readers) for name in self.reader.names)
        ]
        in_money += ["limits.dollars"] if self.limits.dollars is not None else []
        if in_money:
            raise ModelUnavailable(
                f"The price of the chat model is not known, and {in_money[0]} of '{self.reader.name}' is in dollars",
                hint=f"write its price into {PRICES_FILE} beside the agent's file, or limit tokens",
            )

    def _own(self, tokens: int, money: int | None) -> tuple[Charge, ...]:
        limits = {
            Unit.TOKENS: (self.limits.tokens, tokens),
            Unit.MONEY: (
                None if self.limits.dollars is None else int(self.limits.dollars * MICROS),
                money,
            ),
        }
        return tuple(
            Charge(budget=self._budget(unit, limit), most=most)
            for unit, (limit, most) in limits.items()
            if limit is not None and most is not None
        )

    def _budget(self, unit: Unit, limit: int) -> Budget:
        return Budget(
            name=f"limit of a run of {self.reader.name}: {self.run}", unit=unit, limit=limit
        )
