"""On what terms a record is written: what must hold before, and what changes with it, in the same transaction."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Protocol

from semantic.errors import PolicyNotCurrent
from semantic.ledger.breakers import BreakerSettings
from semantic.ledger.budgets import Charge, Unit, reserve, settle
from semantic.ledger.journal import JournalEntry, JournalPlace, keep
from semantic.ledger.longest import refuse_unfit_names
from semantic.ledger.moment import later
from semantic.ledger.record import Record
from semantic.ledger.transaction import Transaction

LEASE_SECONDS = 900


class Terms(Protocol):
    """Terms of one record. What `before` raises keeps it from being written, and nothing of it is changed then."""

    @property
    def claims(self) -> Collection[str]:
        """What no other transaction may change at the same time."""
        ...

    def before(self, transaction: Transaction, record: Record) -> None:
        """Looks whether the record may be written, and takes what it needs."""
        ...

    def after(self, transaction: Transaction, record: Record) -> None:
        """Changes what a record changes that was not there already."""
        ...


@dataclass(frozen=True, kw_only=True)
class Admission:
    """Terms of what is about to be done: under the published policy, within budgets, and where its sources answer.

    What it may take is reserved for `lease_seconds`; after these the sweeper may take it for dead. Raises `PolicyNotCurrent`,
    `SourceUnavailable` or `BudgetSpent`; when it is made, `LedgerUnavailable` for a name that is too long.
    """

    policy_hash: str | None = None
    charges: tuple[Charge, ...] = ()
    sources: tuple[str, ...] = ()
    breaker: BreakerSettings = field(default_factory=BreakerSettings)
    lease_seconds: int = LEASE_SECONDS

    def __post_init__(self) -> None:
        refuse_unfit_names(lines=_lines(self.charges), sources=self.sources)

    @property
    def claims(self) -> Collection[str]:
        return _claims(self.charges)

    def before(self, transaction: Transaction, record: Record) -> None:
        if self.policy_hash is not None and transaction.policy_hash != self.policy_hash:
            raise PolicyNotCurrent("Another policy has been published")
        connection, at = transaction.connection, transaction.at
        opened = transaction.breakers.opened(self.sources) if self.sources else []
        if not opened and not self.charges:
            return
        with connection.begin_nested():
            transaction.breakers.try_again(opened, self.breaker)
            if self.charges and not transaction.knows(record):
                until = later(at, self.lease_seconds)
                reserve(connection, record.record_id, self.charges, at=at, until=until)

    def after(self, transaction: Transaction, record: Record) -> None:
        pass


@dataclass(frozen=True, kw_only=True)
class Settlement:
    """Terms of how something ended: what it took of the budgets that were charged, which of its sources answered or failed, and what the
    journal keeps of it. Of a source that is neither its end says nothing. Raises `LedgerUnavailable` for the name of a source that is
    too long.
    """

    charges: tuple[Charge, ...] = ()
    spent: Mapping[Unit, int] = field(default_factory=dict)
    answered: tuple[str, ...] = ()
    failed: tuple[str, ...] = ()
    breaker: BreakerSettings = field(default_factory=BreakerSettings)
    kept: tuple[JournalPlace, JournalEntry] | None = None

    def __post_init__(self) -> None:
        refuse_unfit_names(sources=(*self.answered, *self.failed))

    @property
    def claims(self) -> Collection[str]:
        return _claims(self.charges)

    def before(self, transaction: Transaction, record: Record) -> None:
        pass

    def after(self, transaction: Transaction, record: Record) -> None:
        if self.charges:
            settle(transaction.connection, record.record_id, self.spent)
        if self.answered:
            transaction.breakers.succeeded(self.answered)
        if self.failed:
            transaction.breakers.failed(self.failed, self.breaker)
        if self.kept:
            keep(transaction.connection, *self.kept, at=transaction.at)


def _claims(charges: Collection[Charge]) -> Collection[str]:
    """The budgets that others may take from as well."""
    return [f"budget {line}" for line in _lines(charges)]


def _lines(charges: Collection[Charge]) -> Collection[str]:
    return [charge.budget.line for charge in charges if not charge.is_alone]
