"""What a past run was answered, for a replay of it: without the warehouse, and only as far as its reader may still have it."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from pydantic import ValidationError

from agent_resources.memory.rests_on import Standings
from agent_resources.metric_tools import fingerprint_of
from agent_resources.replay.recorded_run import RecordedRun
from semantic.answer import MetricAnswer, Reason, Refusal
from semantic.canonical import canonical_json
from semantic.query import MetricQuery


class RecordedAnswers:
    """Answers a query with what the run was answered to the same one. `not_recorded` counts those that it did not ask."""

    def __init__(self, run: RecordedRun, standings: Standings) -> None:
        self._run = run
        self._standings = standings
        self.not_recorded = 0
        self._asked = {canonical_json(item.query): item for item in run.rests_on}

    def ask(self, asked: Mapping[str, Any], _: str) -> MetricAnswer | Refusal:
        """The answer or refusal on record, or a refusal where the run did not ask this or may not be told of it any more."""
        return self.found(asked) or self._refuse()

    def found(self, asked: Mapping[str, Any]) -> MetricAnswer | Refusal | None:
        """The same, None where the run did not ask this."""
        refused = self._run.refusals.get(fingerprint_of(asked))
        if refused is not None:
            # What it named as available then may not be so now.
            return replace(refused, hint=None)
        try:
            query = MetricQuery.model_validate(dict(asked))
        except ValidationError:
            return None
        item = self._asked.get(canonical_json(query.canonical()))
        answer = self._run.answers.get(item.read_id) if item else None
        if item is None or answer is None:
            return None
        if not self._standings.hold([item]):
            return Refusal(
                reason=Reason.NOT_AVAILABLE,
                message="What the run was answered to this is not permitted to its agent any more, or means something else now",
                hint="the policy or the definition of a metric has changed since",
            )
        return answer

    def _refuse(self) -> Refusal:
        self.not_recorded += 1
        asked = "; ".join(_in_short(item.query) for item in self._run.rests_on)
        return Refusal(
            reason=Reason.NOT_RECORDED,
            message="The run that is replayed did not ask this, so that there is no answer to it",
            hint=f"it asked for: {asked or 'nothing'}",
        )


def _in_short(query: Mapping[str, Any]) -> str:
    by = f" by {', '.join(query['group_by'])}" if query.get("group_by") else ""
    return f"{', '.join(query['metrics'])}{by}"
