"""An agent's definition: one YAML file, and one Markdown prompt beside it.

    name: operations_watch
    description: Watches cancellations and delays over all carriers.
    owner: flight-ops@example.com
    model: openai:gpt-5-mini
    instructions: operations_watch.md
    metrics: [flights, cancelled_flights, precipitation_inches]
    tools: [{call: "flight_ops.units:miles_in_kilometres", effect: none}]
    trigger: {at_most_every_minutes: 15}

What an agent asks for here is not what it gets: it gets what is both asked here and granted by the central policy.
"""

import hashlib
import re
from decimal import Decimal
from typing import Annotated, Literal, Self

from pydantic import (
    AfterValidator,
    BeforeValidator,
    Field,
    StringConstraints,
    model_validator,
)

from agent_resources.approval import ApprovalOf
from agent_resources.history import HistoryOf
from agent_resources.import_path import IMPORT_PATH
from agent_resources.output_type import OutputType
from agent_resources.recovery import Recovery
from agent_resources.tool import Effect, Tool
from agent_resources.trigger import Trigger
from agent_resources.written import Identifier, Whole, Written, an_address, as_list, no_blank
from semantic.canonical import canonical_json
from semantic.platform.failed_assets import FAILURES
from semantic.policy import Reader


def _for_the_interface(tags: dict[str, str]) -> dict[str, str]:
    for key, value in tags.items():
        if not _TAG_KEY.match(key) or key.startswith(_RESERVED_TAGS):
            raise ValueError(
                f"'{key}' is no key of a tag: letters, digits, _ - and . as in owner or area/owner, 63 at most, and not of {_RESERVED_TAGS[0]}"
            )
        if not _TAG_VALUE.match(value):
            raise ValueError(
                f"'{value}' is no value of a tag: letters, digits, _ - and ., 63 at most"
            )
    return tags


_TAG_KEY = re.compile(r"([A-Za-z0-9_.-]{1,63}/)?[A-Za-z0-9_.-]{1,63}\Z")
_TAG_VALUE = re.compile(r"[A-Za-z0-9_.-]{0,63}\Z")
_RESERVED_TAGS = ("dagster/", "governed_agents/")
_STEERING = {
    "name",
    "model",
    "fallbacks",
    "mode",
    "instructions",
    "task",
    "metrics",
    "tools",
    "recovery",
    "output",
    "limits",
    "guardrails",
    "memory",
}
# How its chat model acts: by calls of tools, or by one JSON action per turn.
Mode = Literal["tools", "constrained"]


class Limits(Written):
    """Where a run of the agent ends. `tokens` and `dollars` are what its requests to chat models take, with those of its retries;
    `answer_tokens` the most that the model writes at once, and `rows` the most that one read hands to it.
    """

    turns: Whole = Field(default=20, ge=1, le=200)
    tool_calls: Whole = Field(default=50, ge=1, le=1000)
    rows: Whole = Field(default=200, ge=1, le=10_000)
    seconds: Whole = Field(default=600, ge=1, le=86_400)
    tokens: Whole | None = Field(default=None, ge=1, le=10**12)
    dollars: Decimal | None = Field(default=None, gt=0, le=10**6, decimal_places=6)
    answer_tokens: Whole = Field(default=4_096, ge=1, le=1_000_000)


class Resume(Written):
    """What a run that is tried again does where its definition, the policy or a metric changed since: it stops with an error, or starts
    again, which is paid again.
    """

    if_changed: Literal["stop", "start_again"] = "stop"


class Grounding(Written):
    """What follows where a figure, percentage, day or ranking that the agent states cannot be traced to a cell that it read.

    The check `grounded` of its asset then fails: with `warn` as a warning, with `block` so that what rests on the decision does not run.
    `tolerance` is the share of a value by which a figure may differ from it, beyond the digits that it is stated in. `no_figures` names the fields
    of the agent's own output that state nothing of data.
    """

    on_untraced: Literal["warn", "block"] = "warn"
    tolerance: float = Field(default=0.0, ge=0, le=0.1)
    no_figures: Annotated[tuple[str, ...], BeforeValidator(as_list)] = ()


class MemoryOf(Written):
    """What an agent knows of before. `facts` lets it keep facts for later runs, for `days` where that is given, and `past_runs` look at what it
    answered; both as long as it may still have what they rest on. Of the run that it is in, its model is sent `conversation_tokens` at
    most, older results in a sentence each. `decisions_of` names other agents of which it may look at what they decided, as far as it may itself read
    just what that rests on.
    """

    facts: bool = False
    past_runs: bool = False
    decisions_of: tuple[Identifier, ...] = Field(default=(), max_length=20)
    days: int | None = Field(default=None, ge=1, le=3_660)
    conversation_tokens: int | None = Field(default=None, ge=1_000, le=10_000_000)


class OutcomeOf(Written):
    """Who finds out how the agent's decisions turned out: a function by its import path, which asks metrics as `reader`. The check `outcome` of
    the agent's asset warns where less than `at_least` of those told in so many days were right.
    """

    call: str = Field(pattern=IMPORT_PATH, max_length=300)
    reader: Identifier
    at_least: float = Field(default=0.5, ge=0, le=1)
    days: int = Field(default=90, ge=1, le=3_660)


class Guardrails(Written):
    """What is done about texts that should not pass, in what a chat model is told and in what it answers.

    `personal_data`: what looks like an e-mail address, telephone number, bank account, payment card or social security number, and
    credentials, which are always looked for. `injections`: a value that reads like an instruction is withheld from the model, or only put on record.
    `links`: an answer that leads elsewhere goes back to the model, or passes.
    """

    personal_data: Literal["mask", "off"] = "mask"
    injections: Literal["withhold", "record"] = "withhold"
    links: Literal["refuse", "allow"] = "refuse"


class AgentDefinition(Written):
    """An agent as its author wrote it. `instructions` is the text of the prompt; `hash` covers all that steers a run. Where its model does
    not answer, its `fallbacks` are asked in their order.
    """

    name: Identifier
    description: Annotated[str, AfterValidator(no_blank), Field(max_length=1_000)]
    owner: Annotated[str, AfterValidator(an_address)] | None = None
    team: Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_-]{1,63}$")] | None = None
    model: str | None = None
    fallbacks: Annotated[tuple[str, ...], BeforeValidator(as_list), Field(max_length=5)] = ()
    mode: Mode = "tools"
    instructions: Annotated[str, AfterValidator(no_blank)]
    task: Annotated[str, AfterValidator(no_blank)] = (
        "Do what your instructions say, for the data as it stands now."
    )
    metrics: Annotated[tuple[str, ...], BeforeValidator(as_list), Field(min_length=1)]
    output: OutputType | None = None
    tools: Annotated[tuple[Tool, ...], Field(max_length=50)] = ()
    limits: Limits = Limits()
    trigger: Trigger = Trigger()
    approval: ApprovalOf = ApprovalOf()
    recovery: Recovery | None = None
    resume: Resume = Resume()
    grounding: Grounding = Grounding()
    guardrails: Guardrails = Guardrails()
    memory: MemoryOf = MemoryOf()
    outcome: OutcomeOf | None = None
    history: HistoryOf | None = None
    tags: Annotated[dict[str, str], AfterValidator(_for_the_interface)] = Field(default={})

    @property
    def hash(self) -> str:
        """Changes with the prompt, the model, what is asked for, the output, the tools, the limits, the guardrails and the memory."""
        steering = self.model_dump(mode="json", include=_STEERING)
        if self.recovery is None:
            del steering["recovery"]
        return hashlib.sha256(canonical_json(steering)).hexdigest()[:32]

    @model_validator(mode="after")
    def _looks_after_what_failed(self) -> Self:
        if self.recovery is not None and FAILURES not in self.metrics:
            raise ValueError(
                f"recovery: an agent that proposes remedies asks for the metric {FAILURES}"
            )
        names = [tool.name for tool in self.every_tool]
        same = next((tool.name for tool in self.tools if names.count(tool.name) > 1), None)
        if self.recovery is not None and same is not None:
            raise ValueError(f"recovery: the tool '{same}' has the name of a remedy")
        return self

    @property
    def every_tool(self) -> tuple[Tool, ...]:
        """Those of its author, and those by which it proposes remedies."""
        return (*self.tools, *(self.recovery.tools if self.recovery else ()))

    @property
    def may_propose(self) -> bool:
        """Whether something of what it decides may need a person."""
        return self.approval.of == "decision" or self.writes

    @property
    def writes(self) -> bool:
        """Whether it has a tool that changes something outside."""
        return any(tool.effect is Effect.WRITE for tool in self.every_tool)

    @property
    def approvers(self) -> tuple[str, ...]:
        """Who may answer what it proposes."""
        return self.approval.by or ((self.owner,) if self.owner else ())

    @property
    def reader(self) -> Reader:
        """The agent as the policy knows it: its name, and what it asks for."""
        return Reader(name=self.name, asks=frozenset(self.metrics))
