"""What an agent run comes to, on record: its decision, or the limit at which it ended."""

from collections.abc import Sequence
from dataclasses import asdict

from agent_resources.agent_run import Usage
from agent_resources.decision import Decision
from agent_resources.memory.rests_on import RestsOn, erasable
from semantic.ledger import Erasable, Ledger, RecordKind, derived_id
from semantic.ledger.run_decisions import HISTORY
from semantic.read_session import ReadSession

LIMITED = "limited"


def record_decision(
    session: ReadSession,
    decision: Decision,
    *,
    ledger: Ledger,
    definition_hash: str,
    read_ids: Sequence[str],
    rests_on: Sequence[RestsOn] = (),
    told: Sequence[str] = (),
    usage: Usage = Usage(),  # noqa: B008
    hops: int = 0,
    is_played: bool = False,
) -> str:
    """Writes what an agent decided, as a text that can be erased, the reads that it made, those of
    earlier runs that it remembered, the decisions that it was told of, and how many agents each ran because of the one before, up to it. Returns the id of the record, the same for
    the same decision of a step that is tried again. Raises `LedgerUnavailable`.

    One that `is_played` was decided on the past: it is on record as `history`, and nothing that looks at what an agent decides takes it for that.

    The id comes from the place and the reads only, since who guesses a text could confirm it by a digest of it. Another decision at the same
    place has the id that follows.
    """
    text, context = decision.model_dump_json(), session.context
    details = {
        "decision": Erasable(text),
        "definition_hash": definition_hash,
        "reads": list(read_ids),
        "rests_on": erasable(rests_on),
        "remembered": sorted({it.read_id for it in rests_on if it.read_id}.difference(read_ids)),
        "told": list(told),
        "usage": asdict(usage),
        **({"hops": hops} if hops else {}),
        "cited": sorted({figure.read_id for figure in decision.figures()}),
    }
    reason = HISTORY if is_played else None
    if context.root_run_id is None:
        return session.record(RecordKind.DECISION, details, reason=reason)
    place = [session.reader.name, context.root_run_id, context.step_key, definition_hash]
    record_id = derived_id("decision", [*place, *read_ids])
    while True:
        session.record(RecordKind.DECISION, details, record_id=record_id, reason=reason)
        recorded = ledger.body_here(record_id, RecordKind.DECISION)
        if recorded is None or recorded["details"]["decision"] == text:
            return record_id
        record_id = derived_id("decision", [record_id])


def record_limit(
    session: ReadSession, limit: str, *, definition_hash: str, read_ids: Sequence[str]
) -> str:
    """Writes that a run ended at a limit, without a decision, and the reads that it made. Returns the id of the record. Raises `LedgerUnavailable`."""
    details = {
        "limit": Erasable(limit),
        "definition_hash": definition_hash,
        "reads": list(read_ids),
    }
    return session.record(RecordKind.DECISION, details, reason=LIMITED)


def record_replay(
    session: ReadSession,
    *,
    of: str,
    definition_hash: str,
    reads: Sequence[str] = (),
    decision: Decision | None = None,
    reason: str | None = None,
) -> str:
    """Writes that a decision is replayed, with the reads that may be told again, or with a reason what came of it. Returns the id of the record.
    Raises `LedgerUnavailable`.
    """
    details: dict[str, object] = {"of": of, "definition_hash": definition_hash}
    if reason is None:
        details["reads"] = list(reads)
    if decision is not None:
        details["decision"] = Erasable(decision.model_dump_json())
    return session.record(RecordKind.REPLAY, details, reason=reason)
