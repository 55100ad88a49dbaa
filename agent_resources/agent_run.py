"""One run of an agent: what it was, what it read, what it decided and what that took."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from agent_resources.decision import Decision
from semantic.answer import MetricAnswer, Refusal


@dataclass(frozen=True, kw_only=True)
class ReadOfRun:
    """One read that the agent made: what it asked, and the answer or refusal that it got."""

    asked: Mapping[str, Any]
    result: MetricAnswer | Refusal


@dataclass(frozen=True, kw_only=True)
class Usage:
    """What the chat model was given and gave, in tokens, over `requests` requests."""

    requests: int = 0
    input_tokens: int = 0
    output_tokens: int = 0


@dataclass(frozen=True, kw_only=True)
class AgentRun:
    """A finished run. `decision_id` is that of the decision's record; `seconds` is wall-clock; `is_scripted` is True where no language
    model took part.

    One that went on where an earlier run ended names that in `resumed_from`; `usage` is that of both together, each request once.
    """

    agent: str
    definition_hash: str
    model: str
    is_scripted: bool
    snapshot: str
    decision: Decision
    decision_id: str
    reads: tuple[ReadOfRun, ...]
    usage: Usage
    seconds: float
    resumed_from: str | None = None

    def answers(self) -> tuple[MetricAnswer, ...]:
        return tuple(item.result for item in self.reads if isinstance(item.result, MetricAnswer))

    def refusals(self) -> tuple[Refusal, ...]:
        return tuple(item.result for item in self.reads if isinstance(item.result, Refusal))
