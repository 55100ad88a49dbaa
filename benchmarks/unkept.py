"""A ledger that keeps nothing, so that a read can be timed without its record. For measurements only: it breaks the second law."""

from typing import Any

from semantic.ledger import Record, RecordKind, Terms


class UnkeptLedger:
    """Takes records and forgets them. It knows only which policy was published last."""

    def __init__(self) -> None:
        self._policy: str | None = None

    def append(self, record: Record, terms: Terms | None = None) -> bool:
        return True

    def body(self, record_id: str, kind: RecordKind) -> dict[str, Any] | None:
        return None

    def publish_policy(self, policy_hash: str, text: str, *, by: str, run_id: str | None) -> bool:
        self._policy = policy_hash
        return True

    def current_policy_hash(self) -> str | None:
        return self._policy

    def close(self) -> None:
        """There is nothing to close."""
