"""What guardrails found in a run, on record: which one, where, what and how often; never the text in which it stood."""

import asyncio
from collections.abc import Mapping
from enum import StrEnum

from agent_resources.run_journal import RunJournal
from semantic.ledger import RecordKind
from semantic.read_session import ReadSession


class Channel(StrEnum):
    """Where something was found: in the question that a run was asked, in what a tool returned, or in the answer."""

    QUESTION = "question"
    RESULT = "result"
    ANSWER = "answer"


class Findings:
    """The record of what guardrails found in one run. Safe for threads."""

    def __init__(self, session: ReadSession, journal: RunJournal) -> None:
        self._session = session
        self._journal = journal

    def record(
        self, found: Mapping[tuple[str, str], int], channel: Channel, place: str, **details: object
    ) -> None:
        """Writes what was found by each guardrail at a place of the run, once however often the run is tried. Raises `LedgerUnavailable`."""
        for guardrail in dict.fromkeys(guardrail for guardrail, _ in found):
            what = {what: times for (name, what), times in found.items() if name == guardrail}
            self._session.record(
                RecordKind.GUARDRAIL,
                {"channel": channel.value, "found": what, **details},
                record_id=self._journal.record_id("guardrail", guardrail, channel, place),
                reason=guardrail,
            )

    async def record_soon(
        self, found: Mapping[tuple[str, str], int], channel: Channel, place: str, **details: object
    ) -> None:
        """The same, without holding up what else runs."""
        if found:
            await asyncio.to_thread(self.record, found, channel, place, **details)
