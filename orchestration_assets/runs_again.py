"""Agents that run again because what they decided was taken back, and the data was repaired since."""

from orchestration_assets.triggers.sight import TriggerReason
from semantic.ledger import Ledger
from semantic.ledger.recalls import Recall, recalls
from semantic.ledger.run_decisions import standing_decisions
from semantic.snapshot_record import SnapshotRecord


def asked_again(ledger: Ledger, record: SnapshotRecord) -> dict[str, Recall]:
    """By agent, the newest recall that asks for another run and concerns its decision that stands, where this snapshot has other data than all that was
    wrong of what that rests on.

    Raises `LedgerUnavailable`.
    """
    known = recalls(ledger)
    if not any(recall.is_run_again for recall in known):
        return {}
    now = {name: state.data_version for name, state in record.metrics.items()}
    found = {}
    for decision in standing_decisions(ledger):
        concerned = [recall for recall in known if recall.concerns(decision)]
        asked = [recall for recall in concerned if recall.is_run_again]
        if asked and all(recall.is_repaired(now) for recall in concerned):
            found[decision.agent] = asked[-1]
    return found


def recalled(recall: Recall) -> TriggerReason:
    """A recall as what calls for a run."""
    return TriggerReason(
        kind="recall",
        words=f"what it decided was taken back: {recall.reason}",
        key=recall.recall_id,
        metrics=recall.wrong.metrics,
    )
