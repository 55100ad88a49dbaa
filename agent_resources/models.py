"""Chat models by name, and `ScriptedModel`: a script that says it is one.

resolve_model("openai:gpt-5-mini", api_key=key)
resolve_model("my-model", base_url="http://127.0.0.1:8080/v1")
resolve_model("scripted:my_project.scripts:watch")
resolve_model("recorded:tests/watch.json")
"""

from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from typing import Any

from pydantic_ai import models
from pydantic_ai.exceptions import UserError
from pydantic_ai.messages import (
    ModelMessage,
    ModelRequest,
    ModelResponse,
    RetryPromptPart,
    ToolCallPart,
    ToolReturnPart,
)
from pydantic_ai.models import Model, infer_model
from pydantic_ai.models.function import AgentInfo, FunctionModel
from pydantic_ai.models.openai import OpenAIChatModel
from pydantic_ai.providers import Provider, infer_provider, infer_provider_class
from pydantic_ai.providers.openai_compatible import OpenAICompatibleProvider

from agent_resources.decision import Decision, Figure
from agent_resources.errors import ModelUnavailable
from agent_resources.guardrails.credentials import keep_secret, without_secrets
from agent_resources.metric_tools import DESCRIBE_METRIC, LIST_METRICS, QUERY_METRICS
from agent_resources.played_model import RECORDED, PlayedModel

SCRIPTED = "scripted:"
# The provider of any server that speaks the protocol of OpenAI.
COMPATIBLE = "openai-compatible"


@dataclass(frozen=True, kw_only=True)
class ToolStep:
    """A tool call that a script makes. Write `list_metrics()`, `describe_metric(name)` or `query_metrics(...)`."""

    tool: str
    arguments: Mapping[str, Any] = field(default_factory=dict)


def list_metrics() -> ToolStep:
    """The step that lists what the agent may read."""
    return ToolStep(tool=LIST_METRICS)


def describe_metric(name: str) -> ToolStep:
    """The step that describes one metric."""
    return ToolStep(tool=DESCRIBE_METRIC, arguments={"name": name})


def query_metrics(metrics: str | Sequence[str], **arguments: Any) -> ToolStep:
    """The step that reads metrics; the arguments are those of the tool."""
    return ToolStep(tool=QUERY_METRICS, arguments={"metrics": metrics, **arguments})


@dataclass(frozen=True, kw_only=True)
class Told:
    """What a tool returned to the script."""

    content: Any

    @property
    def is_refused(self) -> bool:
        return isinstance(self.content, Mapping) and "refused" in self.content

    @property
    def message(self) -> str:
        """Why the read was refused."""
        return str(self.content.get("message", "")) if self.is_refused else ""

    @property
    def data_until(self) -> str:
        """The last day of the data, as an ISO date."""
        return str(self.content["data_until"])

    def records(self) -> list[dict[str, Any]]:
        """Each row as a mapping from column to cell."""
        return [
            dict(zip(self.content["columns"], row, strict=True)) for row in self.content["rows"]
        ]

    def figure(self, metric: str, name: str, record: Mapping[str, Any]) -> Figure:
        """A cell of this read as a figure that names the read."""
        return Figure(
            name=name,
            value=record[metric],
            unit=self.content["units"].get(metric),
            read_id=self.content["read_id"],
        )


Script = Callable[[], Generator[ToolStep, Told, Decision]]


class ScriptedModel(FunctionModel):
    """A model that follows a script: a generator that yields tool steps, is sent what they returned, and returns a
    `Decision`.

    Deterministic, and honest about what it is: its name begins with `scripted:`. At each request it is played again over the
    messages so far, so a run that is resumed goes on where it stopped.

        def watch():
            told = yield query_metrics("flights", group_by="metric_time__day")
            ...
            return Decision(answer=..., confidence=1.0)

        ScriptedModel(watch)
    """

    def __init__(self, script: Script, *, name: str | None = None) -> None:
        self._script = script
        super().__init__(self._respond, model_name=f"{SCRIPTED}{name or script.__name__}")

    def _respond(self, messages: list[ModelMessage], info: AgentInfo) -> ModelResponse:
        returned = iter(_returned(messages))
        steps = self._script()
        position = 0
        if not isinstance(steps, Generator):
            raise ModelUnavailable(
                f"The script of '{self.model_name}' is no generator",
                hint="write a function that yields steps, and returns a Decision",
            )
        try:
            step = next(steps)
            for told in returned:
                position += 1
                step = steps.send(told)
        except StopIteration as ended:
            decision: Decision = ended.value
            if not isinstance(decision, Decision):
                raise ModelUnavailable(
                    f"The script of '{self.model_name}' returns a {type(decision).__name__}",
                    hint="it returns a Decision",
                ) from None
            return ModelResponse(
                parts=[
                    ToolCallPart(
                        info.output_tools[0].name,
                        decision.model_dump(mode="json", exclude_none=True),
                        tool_call_id="decision",
                    )
                ]
            )
        return ModelResponse(
            parts=[ToolCallPart(step.tool, dict(step.arguments), tool_call_id=f"step-{position}")]
        )


def resolve_model(name: str, *, api_key: str | None = None, base_url: str | None = None) -> Model:
    """The model of this name. With `base_url` it is any OpenAI-compatible server. Raises `ModelUnavailable`."""
    keep_secret(api_key)
    if name.startswith(SCRIPTED):
        return ScriptedModel(
            _load_script(name.removeprefix(SCRIPTED)), name=name.removeprefix(SCRIPTED)
        )
    if name.startswith(RECORDED):
        return PlayedModel.load(Path(name.removeprefix(RECORDED)))
    if not models.ALLOW_MODEL_REQUESTS:
        raise ModelUnavailable(
            f"Requests to chat models are switched off, and '{name}' is one",
            hint="use a scripted or recorded model, or set pydantic_ai.models.ALLOW_MODEL_REQUESTS = True",
        )
    if base_url:
        return _served(name.removeprefix("openai:"), base_url, api_key)
    try:
        return infer_model(name, _providers(api_key))
    except (UserError, ImportError, ValueError) as error:
        raise ModelUnavailable(
            f"The chat model '{name}' cannot be used: {without_secrets(str(error).splitlines()[0])}",
            hint="name it as provider:model, and give its key: as api_key_env of an AgentComponent, or as the api_key "
            "of an AgentResource, from an EnvVar",
        ) from error


def _served(name: str, base_url: str, api_key: str | None) -> Model:
    """A model of a server that speaks the protocol of OpenAI. Raises `ModelUnavailable` where its address is none."""
    try:
        provider = OpenAICompatibleProvider(
            COMPATIBLE, base_url=base_url, api_key=api_key or "none"
        )
    # What is wrong with an address each library says in its own way.
    except Exception as error:
        raise ModelUnavailable(
            f"There is no server at '{without_secrets(base_url)}': {without_secrets(str(error))}",
            hint="write a base_url like http://127.0.0.1:8080/v1",
        ) from None
    return OpenAIChatModel(name, provider=_asking_once(provider))


def _providers(api_key: str | None) -> Callable[[str], Provider[Any]]:
    def make(name: str) -> Provider[Any]:
        if api_key is None:
            return _asking_once(infer_provider(name))
        try:
            kind: Any = infer_provider_class(name)
            made: Provider[Any] = kind(api_key=api_key)
        except TypeError:
            made = infer_provider(name)
        return _asking_once(made)

    return make


def _asking_once(provider: Provider[Any]) -> Provider[Any]:
    """A provider whose client does not ask again by itself: every request is on record, and how often is ours to say."""
    if hasattr(provider.client, "max_retries"):
        provider.client.max_retries = 0
    return provider


def _returned(messages: list[ModelMessage]) -> list[Told]:
    """What tools returned so far, in the order of the calls."""
    found: list[Told] = []
    for message in messages:
        if not isinstance(message, ModelRequest):
            continue
        for part in message.parts:
            if isinstance(part, ToolReturnPart) and part.tool_call_id.startswith("step-"):
                found.append(Told(content=part.content))
            elif isinstance(part, RetryPromptPart):
                raise ModelUnavailable(
                    f"The script does not fit its tools: {part.model_response()}"
                )
    return found


def _load_script(path: str) -> Script:
    module_name, _, attribute = path.partition(":")
    try:
        script: Script = getattr(import_module(module_name), attribute)
    except (ImportError, AttributeError) as error:
        raise ModelUnavailable(
            f"There is no script '{path}'", hint="write it as scripted:package.module:function"
        ) from error
    return script
