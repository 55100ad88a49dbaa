"""What may be spent, and what has been: rows that every process changes by one conditional statement.

The worst case is reserved in the transaction that writes the record of what is about to be done, and settled to what it took in the
transaction of its outcome. Where a process died in between, the sweeper releases what is known not to have been spent.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from enum import StrEnum
from itertools import groupby
from typing import Any

import sqlalchemy as sa

from semantic.errors import BudgetSpent
from semantic.ledger.moment import since_1970
from semantic.ledger.schema import reservations, spending

SLICES = 60
# Of a US dollar, in which money is counted.
MICROS = 1_000_000
# A clock that was ahead by less than this takes away nothing that counts when it is right again.
MARGIN_SECONDS = 86_400
# For so long after it was spent last, what has no window counts.
ALTOGETHER_SECONDS = 366 * 86_400


class Unit(StrEnum):
    """What is counted. Money is in millionths of a US dollar; bytes are those of the relations that are scanned."""

    QUERIES = "queries"
    ROWS = "rows"
    BYTES = "bytes"
    TOKENS = "tokens"
    MONEY = "money"

    @property
    def is_spent_when_unknown(self) -> bool:
        """Whether it counts as spent where nobody knows how it ended: asked is asked, and a provider may have charged."""
        return self in (Unit.QUERIES, Unit.TOKENS, Unit.MONEY)


@dataclass(frozen=True, kw_only=True)
class Budget:
    """At most `limit` of a unit under one name: within any `seconds`, or altogether where that is None, which ends a year after it was
    spent last.

    What is older than `seconds` is free again after at most a sixtieth more.
    """

    name: str
    unit: Unit
    limit: int
    seconds: int | None = None

    @property
    def line(self) -> str:
        """Under which it is counted. Two budgets that differ in their limit alone count the same."""
        return f"{self.name} {self.unit} {self.seconds or 'altogether'}"

    def slice_at(self, moment: int) -> int:
        """The part of its window that a moment, in seconds since 1970, falls into."""
        return moment // self._slice_seconds if self.seconds else 0

    def first_slice(self, moment: int) -> int:
        """The oldest part that still counts at a moment."""
        return (moment - self.seconds) // self._slice_seconds if self.seconds else 0

    def kept_until(self, moment: int) -> int:
        """When what is spent at a moment has long left its window."""
        if not self.seconds:
            return moment + ALTOGETHER_SECONDS
        end_of_slice = (self.slice_at(moment) + 1) * self._slice_seconds
        return end_of_slice + self.seconds + MARGIN_SECONDS

    @property
    def _slice_seconds(self) -> int:
        return max(1, (self.seconds or 0) // SLICES)


@dataclass(frozen=True, kw_only=True)
class Charge:
    """The most that something may take from a budget. One that `is_alone` in its budget is held to the limit, and nothing is kept of it."""

    budget: Budget
    most: int
    is_alone: bool = False


_SPENT = sa.select(sa.func.coalesce(sa.func.sum(spending.c.amount), 0)).where(
    spending.c.line == sa.bindparam("line"), spending.c.slice >= sa.bindparam("first")
)
# The limit is looked at and the amount added by one statement, under the claim to the line.
_TAKE = sa.text(
    "INSERT INTO spending (line, slice, amount, kept_until) SELECT :line, :slice, :amount, :kept_until WHERE "
    "(SELECT coalesce(sum(amount), 0) FROM spending WHERE line = :line AND slice >= :first) + :amount <= :limit "
    "ON CONFLICT (line, slice) DO UPDATE SET amount = spending.amount + excluded.amount, kept_until = excluded.kept_until"
).bindparams(
    sa.bindparam("line", type_=sa.String),
    sa.bindparam("slice", type_=sa.BigInteger),
    sa.bindparam("amount", type_=sa.BigInteger),
    sa.bindparam("first", type_=sa.BigInteger),
    sa.bindparam("limit", type_=sa.BigInteger),
    sa.bindparam("kept_until", type_=sa.BigInteger),
)


def reserve(
    connection: sa.Connection, record_id: str, charges: Sequence[Charge], *, at: str, until: str
) -> None:
    """Takes all of these from their budgets until a moment. Raises `BudgetSpent`; what was taken before that is to be rolled back."""
    for charge in charges:
        if charge.is_alone:
            _hold(charge)
    for charge in _by_line(item for item in charges if not item.is_alone):
        _take(connection, record_id, charge, at, until)


def settle(connection: sa.Connection, record_id: str, spent: Mapping[Unit, int]) -> None:
    """Changes what was reserved for a record to what it took; to nothing for a unit that is not named."""
    for row in _reserved(connection, [record_id]):
        _give_back(connection, row, row.amount - spent.get(Unit(row.unit), 0))


def release(connection: sa.Connection, record_ids: Iterable[str]) -> None:
    """Ends the reservations of what ended nobody knows how."""
    for row in _reserved(connection, record_ids):
        _give_back(connection, row, 0 if Unit(row.unit).is_spent_when_unknown else row.amount)


def has_outlived(connection: sa.Connection, at: str) -> bool:
    """Whether there is what no budget counts any more."""
    found = sa.select(spending.c.line).where(spending.c.kept_until < since_1970(at)).limit(1)
    return connection.execute(found).first() is not None


def remove_outlived(connection: sa.Connection, at: str) -> None:
    """Removes what no budget counts any more. Nobody may write beside this transaction."""
    connection.execute(sa.delete(spending).where(spending.c.kept_until < since_1970(at)))


def spent(connection: sa.Connection, budget: Budget, at: str) -> int:
    """How much of a budget is spent or reserved at a moment."""
    moment = since_1970(at)
    values = {"line": budget.line, "first": budget.first_slice(moment)}
    return int(connection.execute(_SPENT, values).scalar_one())


def _by_line(charges: Iterable[Charge]) -> Iterator[Charge]:
    """One for each line, in order: of those that count the same, the most of any, held to the lowest limit."""
    in_order = sorted(charges, key=lambda item: (item.budget.line, item.budget.limit))
    for _, same in groupby(in_order, key=lambda item: item.budget.line):
        strictest, *others = same
        yield replace(strictest, most=max(item.most for item in (strictest, *others)))


def _hold(charge: Charge) -> None:
    if charge.most > charge.budget.limit:
        raise BudgetSpent(_refusal(charge, 0), hint=_hint(charge.budget))


def _take(connection: sa.Connection, record_id: str, charge: Charge, at: str, until: str) -> None:
    budget, moment = charge.budget, since_1970(at)
    place = {"line": budget.line, "slice": budget.slice_at(moment)}
    taken = connection.execute(
        _TAKE,
        place
        | {
            "amount": charge.most,
            "first": budget.first_slice(moment),
            "limit": budget.limit,
            "kept_until": budget.kept_until(moment),
        },
    )
    if taken.rowcount != 1:
        before = spent(connection, budget, at)
        raise BudgetSpent(_refusal(charge, before), hint=_hint(budget))
    connection.execute(
        sa.insert(reservations),
        place
        | {
            "record_id": record_id,
            "unit": budget.unit.value,
            "amount": charge.most,
            "until": until,
        },
    )


def _reserved(connection: sa.Connection, record_ids: Iterable[str]) -> Sequence[sa.Row[Any]]:
    """The reservations of these records, which from here on have none."""
    chosen = reservations.c.record_id.in_(list(record_ids))
    found = connection.execute(
        sa.select(reservations).where(chosen).order_by(reservations.c.line)
    ).all()
    if found:
        connection.execute(sa.delete(reservations).where(chosen))
    return found


def _give_back(connection: sa.Connection, row: sa.Row[Any], amount: int) -> None:
    if amount:
        connection.execute(
            sa.update(spending)
            .where(spending.c.line == row.line, spending.c.slice == row.slice)
            .values(amount=spending.c.amount - amount)
        )


def _refusal(charge: Charge, before: int) -> str:
    budget = charge.budget
    within = f" within {duration(budget.seconds)}" if budget.seconds else ""
    limit, gone, most = (
        in_words(budget.unit, amount) for amount in (budget.limit, before, charge.most)
    )
    unit = word_of(budget.unit)
    return f"The budget '{budget.name}' is {limit} {unit}{within}: {gone} are spent or reserved, and this may take {most}"


def _hint(budget: Budget) -> str:
    if budget.seconds:
        return "ask for less, or later; the owner of the policy can raise it"
    return "ask for less; the owner of the policy can raise it"


def word_of(unit: Unit) -> str:
    """What people call a unit."""
    return "dollars" if unit is Unit.MONEY else unit.value


def in_words(unit: Unit, amount: int) -> str:
    """An amount as people write it: money in dollars."""
    if unit is not Unit.MONEY:
        return f"{amount:,}"
    return f"{Decimal(amount) / MICROS:,.6f}".rstrip("0").rstrip(".")


def duration(seconds: int) -> str:
    """Seconds as they are written in a policy: `1d`, `2h`, `90s`."""
    for letter, length in (("d", 86_400), ("h", 3_600), ("m", 60)):
        if seconds % length == 0:
            return f"{seconds // length}{letter}"
    return f"{seconds}s"
