"""What agents decided, for those that run because of it."""

import json
from collections.abc import Collection
from typing import Any

from orchestration_assets.triggers.sight import OtherDecision
from semantic.ledger import Ledger, RecordKind
from semantic.ledger.erasable import is_erased
from semantic.ledger.said import Said, newest_said_by

_MOST = 1_000


def other_decisions(
    ledger: Ledger, agents: Collection[str], *, after: int
) -> tuple[OtherDecision, ...]:
    """The newest decisions of these agents after a record, in the order in which they were made. Raises `LedgerUnavailable`."""
    said = newest_said_by(ledger, agents, [RecordKind.DECISION], after=after, limit=_MOST)
    return tuple(_decided(item) for item in said if item.reason is None)


def _decided(said: Said) -> OtherDecision:
    return OtherDecision(
        seq=said.seq,
        decision_id=said.record_id,
        agent=said.reader,
        at=said.at,
        state="decided",
        output=_output(said),
        hops=int(said.details.get("hops", 0)),
    )


def _output(said: Said) -> dict[str, Any]:
    """Its own fields of output, nothing where they were erased."""
    if is_erased(dict(said.details)):
        return {}
    found = json.loads(said.details["decision"]).get("output")
    return found if isinstance(found, dict) else {}
