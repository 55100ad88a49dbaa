"""The door over what is published, for a process that stays: definitions, policy and data of now, at each time it is opened."""

import threading
from collections.abc import Callable

from semantic.catalog import Catalog
from semantic.engine import MetricEngine
from semantic.errors import PolicyError
from semantic.governed_metrics import GovernedMetrics
from semantic.ledger import Ledger
from semantic.policy import Policy
from semantic.policy_file import parse_policy
from semantic.snapshot import SnapshotStore


class PublishedMetrics:
    """Governed reading of what is published in one place, with nothing of a project of one's own. Safe for threads.

    The door is made anew when another catalogue or another policy is published; reads that are under way end with the one that they
    began with. `engine` is made when the first query of a catalogue needs it.
    """

    def __init__(
        self,
        *,
        ledger: Ledger,
        snapshots: SnapshotStore,
        engine: Callable[[Catalog], MetricEngine],
        mask_key: str,
    ) -> None:
        self.ledger = ledger
        self.snapshots = snapshots
        self._engine = engine
        self._mask_key = mask_key
        self._door: GovernedMetrics | None = None
        self._opening = threading.Lock()

    def current(self) -> GovernedMetrics:
        """The door over what is published now. Raises `SnapshotUnavailable`, `PolicyError` and `LedgerUnavailable`."""
        with self._opening:
            record = self.snapshots.current()
            door = self._door
            catalog = (
                door.catalog
                if door is not None and door.catalog.manifest_hash == record.manifest_hash
                else self.snapshots.catalog(record.version)
            )
            policy = (
                door.policy
                if door is not None and door.has_published_policy()
                else load_published_policy(self.ledger)
            )
            if door is None or door.catalog is not catalog or door.policy is not policy:
                door = self._door = GovernedMetrics(
                    catalog=catalog,
                    policy=policy,
                    ledger=self.ledger,
                    snapshots=self.snapshots,
                    engine=self._engine,
                    mask_key=self._mask_key,
                )
            return door

    def identity(self) -> tuple[str | None, str | None]:
        """What is published now: the version of the snapshot and the hash of the policy. Raises `SnapshotUnavailable` and `LedgerUnavailable`."""
        return self.snapshots.current_version(), self.ledger.current_policy_hash()


def load_published_policy(ledger: Ledger) -> Policy:
    """The policy that was published last. Raises `PolicyError` where none has been, and `LedgerUnavailable`."""
    text = ledger.current_policy_text()
    if text is None:
        raise PolicyError(
            "No policy has been published yet",
            hint="materialize governed_snapshot, or run `governed-agents policy publish FILE`",
        )
    return parse_policy(text, source="the published policy")
