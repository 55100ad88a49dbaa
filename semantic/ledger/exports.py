"""How far the record was told to a system outside of it. Where that fails, nothing is lost: it is told later, from the record."""

from collections.abc import Collection
from dataclasses import dataclass

import sqlalchemy as sa

from semantic.ledger.chain import content_of
from semantic.ledger.ledger import Ledger
from semantic.ledger.record import Record, RecordKind, uuid7
from semantic.ledger.run_activity import ReaderRun
from semantic.ledger.schema import records


@dataclass(frozen=True, kw_only=True)
class Exported:
    """What a destination was told: everything through one record, and of the records after it, through `upto`, what `told` names. `unended` are the runs
    that it was told began and not how they ended.
    """

    through: int = 0
    upto: int | None = None
    told: frozenset[str] = frozenset()
    unended: tuple[ReaderRun, ...] = ()


def exported(ledger: Ledger, destination: str) -> Exported:
    """What a destination was told so far. Raises `LedgerUnavailable`."""
    asked = (
        sa.select(records.c.body)
        .where(records.c.kind == RecordKind.EXPORT.value)
        .order_by(records.c.seq.desc())
    )
    with ledger.reading() as connection:
        bodies: sa.ScalarResult[bytes] = connection.execute(asked).scalars()
        for body in bodies:
            details = content_of(body)["details"]
            if details["destination"] == destination:
                return Exported(
                    through=details["through"],
                    upto=details["upto"],
                    told=frozenset(details["told"]),
                    unended=tuple(ReaderRun(*item) for item in details["unended"]),
                )
    return Exported()


def record_export(
    ledger: Ledger, destination: str, position: Exported, *, events: int, runs: Collection[str]
) -> None:
    """Puts on record what a destination was told: so many events more, of these runs. Raises `LedgerUnavailable`."""
    details = {
        "destination": destination,
        "through": position.through,
        "upto": position.upto,
        "told": sorted(position.told),
        "unended": [list(item) for item in position.unended],
        "events": events,
        "runs": sorted(runs),
    }
    ledger.append(Record(record_id=str(uuid7()), kind=RecordKind.EXPORT, details=details))
