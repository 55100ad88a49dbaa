"""Agents that run again because what they decided was taken back, and the data was repaired since."""

from semantic.ledger import Ledger
from semantic.ledger.recalls import Recall, recalls
from semantic.ledger.run_decisions import standing_decisions
from semantic.snapshot_record import SnapshotRecord


def asked_again(ledger: Ledger, record: SnapshotRecord) -> dict[str, Recall]:
    """By agent, the newest recall that takes back the decision of it that stands and asks for another run, where this snapshot has other data than was wrong.

    Raises `LedgerUnavailable`.
    """
    now = {name: state.data_version for name, state in record.metrics.items()}
    asked = [it for it in recalls(ledger) if it.is_run_again and it.is_repaired(now)]
    if not asked:
        return {}
    standing = {it.agent: it.decision_id for it in standing_decisions(ledger)}
    return {
        agent: recall
        for recall in asked
        for agent, decision_id in standing.items()
        if decision_id in recall.decisions
    }
