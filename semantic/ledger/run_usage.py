"""What chat models took in runs, as the decisions of these runs say."""

from collections.abc import Collection
from dataclasses import dataclass

import sqlalchemy as sa

from semantic.ledger.chain import content_of
from semantic.ledger.ledger import Ledger
from semantic.ledger.parts import in_parts
from semantic.ledger.schema import IS_DECISION, records


@dataclass(frozen=True, kw_only=True)
class RunUsage:
    """Tokens in and out, and what they cost in millionths of a US dollar; None where that is not known."""

    tokens: int | None
    cost_micros: int | None

    def __add__(self, other: "RunUsage") -> "RunUsage":
        return RunUsage(
            tokens=_sum(self.tokens, other.tokens),
            cost_micros=_sum(self.cost_micros, other.cost_micros),
        )


def usage_of_runs(ledger: Ledger, runs: Collection[str]) -> dict[str, RunUsage]:
    """By run what its agents' chat models took, those that came to no decision included. Raises `LedgerUnavailable`."""
    found: dict[str, RunUsage] = {}
    with ledger.reading() as connection:
        for some in in_parts(sorted(runs)):
            asked = sa.select(records.c.run_id, records.c.body).where(
                IS_DECISION, records.c.run_id.in_(some)
            )
            for row in connection.execute(asked):
                usage = content_of(row.body)["details"].get("usage")
                if usage:
                    used = RunUsage(
                        tokens=usage["input_tokens"] + usage["output_tokens"],
                        cost_micros=usage["cost_micros"],
                    )
                    known = found.get(row.run_id)
                    found[row.run_id] = used if known is None else known + used
    return found


def _sum(one: int | None, other: int | None) -> int | None:
    return one if other is None else other if one is None else one + other
