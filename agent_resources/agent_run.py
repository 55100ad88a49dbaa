"""One run of an agent: what it was, what it read, what it decided and what that took."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from agent_resources.approval import ProposedAction
from agent_resources.because import Because
from agent_resources.decision import Decision
from semantic.answer import MetricAnswer, Refusal


@dataclass(frozen=True, kw_only=True)
class ReadOfRun:
    """One read that the agent made: what it asked, and the answer or refusal that it got."""

    asked: Mapping[str, Any]
    result: MetricAnswer | Refusal


@dataclass(frozen=True, kw_only=True)
class Usage:
    """What chat models were given and gave, in tokens, over `requests` requests, and what that cost in millionths of a US dollar; None where
    the price of one of them is not known.
    """

    requests: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    cost_micros: int | None = 0


@dataclass(frozen=True, kw_only=True)
class Run:
    """What every run has. `model` names the chat models that answered; `seconds` is wall-clock; `is_scripted` is True where no language model
    took part.

    `because` is what called for it; None where a person asked something. One that went on where an earlier run ended names that in `resumed_from`; `usage` is that of both together, each request once.
    """

    agent: str
    definition_hash: str
    model: str
    is_scripted: bool
    snapshot: str
    reads: tuple[ReadOfRun, ...]
    usage: Usage
    seconds: float
    resumed_from: str | None = None
    because: Because | None = None

    def answers(self) -> tuple[MetricAnswer, ...]:
        return tuple(item.result for item in self.reads if isinstance(item.result, MetricAnswer))

    def refusals(self) -> tuple[Refusal, ...]:
        return tuple(item.result for item in self.reads if isinstance(item.result, Refusal))


@dataclass(frozen=True, kw_only=True)
class AgentRun(Run):
    """A run that came to a decision. `decision_id` is that of the decision's record, `proposed` the calls that a person has to approve."""

    decision: Decision
    decision_id: str
    proposed: tuple[ProposedAction, ...] = ()


@dataclass(frozen=True, kw_only=True)
class LimitedRun(Run):
    """A run that ended at a limit, and came to no decision. `limit` says which, and `limit_id` is the id of its record."""

    limit: str
    limit_id: str
