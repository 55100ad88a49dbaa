"""What a past run was answered, for a replay of it: without the warehouse, and only as far as its reader may still have it."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from pydantic import ValidationError

from agent_resources.memory.rests_on import RestsOn, Standings
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
        self._asked: dict[bytes, list[RestsOn]] = {}
        for item in run.rests_on:
            self._asked.setdefault(_key(item.query), []).append(item)

    def ask(self, asked: Mapping[str, Any], _: str) -> MetricAnswer | Refusal:
        """The answer or refusal on record, or a refusal where the run did not ask this or may not be told of it any more."""
        return self.found(asked) or self._refuse()

    def found(self, asked: Mapping[str, Any]) -> MetricAnswer | Refusal | None:
        """The same, None where the run did not ask this."""
        refused = self._refusal(asked)
        if refused is not None:
            # What it named as available then may not be so now.
            return replace(refused, hint=None)
        try:
            query = MetricQuery.model_validate(dict(asked))
        except ValidationError:
            return None
        found = self._next(query)
        if found is None:
            return None
        item, answer = found
        if not self._standings.hold([item]):
            return Refusal(
                reason=Reason.NOT_AVAILABLE,
                message="What the run was answered to this is not permitted to its agent any more, or means something else now",
                hint="the policy or the definition of a metric has changed since",
            )
        return answer

    def _refusal(self, asked: Mapping[str, Any]) -> Refusal | None:
        """The refusal of this question, to whatever limit of rows the run asked it."""
        limits = [asked.get("limit"), *(item.query.get("limit") for item in self._run.rests_on)]
        written = (fingerprint_of({**asked, "limit": limit}) for limit in dict.fromkeys(limits))
        return next(filter(None, map(self._run.refusals.get, written)), None)

    def _next(self, query: MetricQuery) -> tuple[RestsOn, MetricAnswer] | None:
        """The answer to a query, those to the same one in the order in which the run got them. One to another limit is the same where neither cut it."""
        alike = self._asked.get(_key(query.canonical()), [])
        for place, item in enumerate(alike):
            answer = self._run.answers.get(item.read_id)
            if answer is not None and _is_whole_for(query.limit, item.query.get("limit"), answer):
                if len(alike) > 1:
                    alike.append(alike.pop(place))
                return item, answer
        return None

    def _refuse(self) -> Refusal:
        self.not_recorded += 1
        still = [item for item in self._run.rests_on if item.query and self._standings.hold([item])]
        asked = "; ".join(_in_short(item.query) for item in still)
        return Refusal(
            reason=Reason.NOT_RECORDED,
            message="The run that is replayed did not ask this, so that there is no answer to it",
            hint=f"it asked for: {asked or 'nothing'}",
        )


def _key(query: Mapping[str, Any]) -> bytes:
    """What is asked, however many rows of it."""
    return canonical_json({name: value for name, value in query.items() if name != "limit"})


def _is_whole_for(limit: int | None, before: object, answer: MetricAnswer) -> bool:
    is_cut = any(notice.kind == "cut" for notice in answer.provenance.notices)
    return limit == before or (not is_cut and (limit is None or len(answer.rows) <= limit))


def _in_short(query: Mapping[str, Any]) -> str:
    by = f" by {', '.join(query['group_by'])}" if query.get("group_by") else ""
    return f"{', '.join(query['metrics'])}{by}"
