"""A run as it is on record: what decided, on what it rests, and what each of its calls came to."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pydantic import TypeAdapter

from agent_resources.agent_run import Usage
from agent_resources.chat_json import response_from_json
from agent_resources.decision import Decision
from agent_resources.memory.rests_on import RestsOn
from agent_resources.run_journal import RunBasis, begun_with
from semantic.answer import MetricAnswer, Refusal
from semantic.answer_json import answer_from_json
from semantic.errors import QuestionError, did_you_mean
from semantic.ledger import JournalEntry, JournalPlace, Ledger
from semantic.ledger.erasable import is_erased
from semantic.ledger.said import Decided, decided_in, newest_runs, run_ended_undecided

_RESTS_ON = TypeAdapter(tuple[RestsOn, ...])


@dataclass(frozen=True, kw_only=True)
class RecordedRun:
    """A run that came to a decision. `answers` are by read id, `refusals` and `tools` by the fingerprint of what was asked; `seconds` is from its
    first read to its decision, None where it read nothing.
    """

    agent: str
    run_id: str
    place: JournalPlace
    decision_id: str
    decision: Decision
    definition_hash: str
    basis: RunBasis
    rests_on: tuple[RestsOn, ...]
    answers: Mapping[str, MetricAnswer]
    refusals: Mapping[str, Refusal]
    tools: Mapping[str, Any]
    usage: Usage
    seconds: float | None


def recorded_run(ledger: Ledger, run: str, *, agent: str | None = None) -> RecordedRun:
    """The run whose id begins so, and of its agents the one that is named. Raises `QuestionError` where there is none, where it has several
    agents and none is named, or where what it was answered is not kept any more.
    """
    found = _decided(ledger, run, agent)
    place = JournalPlace(root_run_id=found.root_run_id or "", step=found.step or "")
    entries = ledger.journal(place)
    basis = begun_with(entries)
    if basis is None:
        raise QuestionError(
            f"What run {found.run_id} of '{found.agent}' was answered is not kept any more",
            hint="the journal of a run is kept for as long as `governed-agents sweep` leaves it; its decision stays on record",
        )
    if is_erased(dict(found.details)):
        raise QuestionError(f"Something that run {found.run_id} decided or asked was erased")
    reads = [
        (entry.fingerprint, answer_from_json(json.loads(entry.body)))
        for entry in _of(entries, "read ")
    ]
    return RecordedRun(
        agent=found.agent,
        run_id=found.run_id or "",
        place=place,
        decision_id=found.record_id,
        decision=Decision.model_validate_json(found.details["decision"]),
        definition_hash=found.details["definition_hash"],
        basis=basis,
        rests_on=_RESTS_ON.validate_json(found.details["rests_on"]),
        answers={it.read_id: it for _, it in reads if isinstance(it, MetricAnswer)},
        refusals={fingerprint: it for fingerprint, it in reads if isinstance(it, Refusal)},
        tools={
            entry.fingerprint: json.loads(entry.body)["result"] for entry in _of(entries, "tool ")
        },
        usage=_usage(_of(entries, "model ")),
        seconds=found.seconds,
    )


def _decided(ledger: Ledger, run: str, agent: str | None) -> Decided:
    if not run:
        raise QuestionError(
            "No run is named", hint="a run, or the beginning of one: `reads` tells them"
        )
    alike = [item for item in decided_in(ledger, run) if agent in (None, item.agent)]
    found = [item for item in alike if item.run_id == run] or alike
    if not found and run_ended_undecided(ledger, run):
        raise QuestionError(
            f"Run {run!r} ended at a limit, and decided nothing that a replay can be set beside",
            hint="run the agent again with a higher limit",
        )
    if not found:
        whose = f" of agent '{agent}'" if agent else ""
        raise QuestionError(
            f"No decision of a run {run!r}{whose} is on record",
            hint=did_you_mean(run, newest_runs(ledger))
            or "`governed-agents decisions` tells what was decided in which run",
        )
    agents = sorted({item.agent for item in found})
    runs = {item.run_id for item in found}
    if len(agents) > 1 or len(runs) > 1:
        what = f"agents: {', '.join(agents)}" if len(agents) > 1 else f"runs begin with {run!r}"
        raise QuestionError(
            f"There are several {what}", hint="name one with --agent, or more of the run's id"
        )
    return found[-1]


def _of(entries: Sequence[JournalEntry], prefix: str) -> list[JournalEntry]:
    return [entry for entry in entries if entry.call.startswith(prefix)]


def _usage(entries: Sequence[JournalEntry]) -> Usage:
    """What the requests of a run took, each once."""
    bodies = [json.loads(entry.body) for entry in entries]
    usages = [response_from_json(body["response"]).usage for body in bodies]
    costs = [body["cost_micros"] for body in bodies]
    return Usage(
        requests=len(bodies),
        input_tokens=sum(usage.input_tokens for usage in usages),
        output_tokens=sum(usage.output_tokens for usage in usages),
        cost_micros=None if None in costs else sum(costs),
    )
