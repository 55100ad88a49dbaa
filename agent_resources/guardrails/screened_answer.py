"""Keeps out of an answer what nobody should be shown: it goes back to the model, which is told what to leave out."""

from collections.abc import Sequence

from pydantic_ai import ModelRetry

from agent_resources.decision import Answered
from agent_resources.guardrails.findings import Channel, Findings
from agent_resources.guardrails.screen import Screen, screen_value


class ScreenedAnswer:
    """Looks through the texts of decisions. What it finds is on record."""

    def __init__(self, screens: Sequence[Screen], findings: Findings) -> None:
        self._screens = screens
        self._findings = findings

    async def check(self, decision: Answered, place: str) -> None:
        """Raises `ModelRetry` where a text of the decision holds what the screens find. `place` names this try within the run."""
        found = screen_value(decision.model_dump(mode="json"), self._screens).found
        if not found:
            return
        await self._findings.record_soon(found, Channel.ANSWER, place)
        what = ", ".join(sorted({what for _, what in found}))
        raise ModelRetry(
            f"Leave out of your answer what must not be in it, and give it again: {what}"
        )
