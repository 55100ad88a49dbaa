"""A chat model that is asked for one JSON action per turn, in place of calls of tools."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import replace
from string import Template
from typing import Any

from pydantic_ai.messages import (
    ModelMessage,
    ModelRequest,
    ModelResponse,
    RetryPromptPart,
    TextPart,
    ToolCallPart,
    ToolReturnPart,
    UserPromptPart,
)
from pydantic_ai.models import Model, ModelRequestParameters
from pydantic_ai.models.wrapper import WrapperModel
from pydantic_ai.output import OutputObjectDefinition
from pydantic_ai.settings import ModelSettings
from pydantic_ai.tools import ToolDefinition

from agent_resources.agent import AgentDefinition
from agent_resources.constrained.actions import FINAL, Actions
from agent_resources.memory.conversation import LEFT_OUT
from agent_resources.metric_tools import DESCRIBE_METRIC, LIST_METRICS, QUERY_METRICS, prompt
from semantic.governed_metrics import GovernedMetrics, MetricDescription

_MAY = {"start": "2024-05-01", "end": "2024-05-31"}
_OF_METRICS = (LIST_METRICS, DESCRIBE_METRIC, QUERY_METRICS)


def asked_for_actions(definition: AgentDefinition, model: Model, metrics: GovernedMetrics) -> Model:
    """The model as the agent's mode has it: as it is, or asked for one action per turn."""
    if definition.mode == "tools":
        return model
    return ConstrainedModel(model, metrics.describe_all(definition.reader))


class ConstrainedModel(WrapperModel):
    """Asks a model for actions, and gives them to the engine as calls of its tools. What the agent may read stands in the prompt."""

    def __init__(self, model: Model, described: Sequence[MetricDescription]) -> None:
        super().__init__(model)
        self._described = described
        self._catalogue = _catalogue(described)

    async def request(
        self,
        messages: list[ModelMessage],
        model_settings: ModelSettings | None,
        model_request_parameters: ModelRequestParameters,
    ) -> ModelResponse:
        """The response, in which a call stands for the action. What is no action stays a text. Raises what the model raises."""
        [output] = model_request_parameters.output_tools
        actions = Actions(
            described=self._described,
            tools=[
                tool
                for tool in model_request_parameters.function_tools
                if tool.name not in _OF_METRICS
            ],
            output=_output_of(output),
            reads=_reads(messages),
        )
        parameters = ModelRequestParameters(
            output_mode="native",
            output_object=OutputObjectDefinition(json_schema=actions.schema(), name="action"),
            allow_text_output=True,
        )
        response = await self.wrapped.request(
            list(_as_text(messages, self._catalogue)), model_settings, parameters
        )
        return replace(response, parts=[_part_of(response, actions, output, len(messages))])


def _output_of(tool: ToolDefinition) -> dict[str, Any] | None:
    """The schema of an agent's own output, with the definitions that it refers to; None where it has none."""
    schema = tool.parameters_json_schema
    found = schema.get("properties", {}).get("output")
    return None if found is None else found | {"$defs": schema.get("$defs", {})}


def _part_of(
    response: ModelResponse, actions: Actions, output: ToolDefinition, turn: int
) -> TextPart | ToolCallPart:
    text = "".join(part.content for part in response.parts if isinstance(part, TextPart))
    call = actions.call_of(text)
    if call is None:
        return TextPart(text)
    name, arguments = call
    tool = output.name if name == FINAL else name
    return ToolCallPart(tool, arguments, tool_call_id=f"action-{turn:03}")


def _as_text(messages: Sequence[ModelMessage], catalogue: str) -> Iterator[ModelMessage]:
    """The conversation without tools: what was called as the action that it was, and what that returned as the next message."""
    read = 0
    for message in messages:
        if isinstance(message, ModelResponse):
            yield replace(message, parts=[TextPart(_action_of(message))])
            continue
        told = []
        for part in message.parts:
            match part:
                case ToolReturnPart():
                    is_read = _read_id(part) is not None
                    read += is_read
                    label = f"read {read}" if is_read else part.tool_name
                    told.append(f"{label}: {part.model_response_str()}")
                case RetryPromptPart():
                    told.append(part.model_response())
                case UserPromptPart():
                    told.append(str(part.content))
        instructions = f"{message.instructions or ''}\n\n{catalogue}"
        yield ModelRequest(parts=[UserPromptPart("\n".join(told))], instructions=instructions)


def _action_of(message: ModelResponse) -> str:
    for part in message.parts:
        if isinstance(part, ToolCallPart):
            name = part.tool_name
            given = part.args_as_dict()
            if name == QUERY_METRICS:
                return json.dumps({"action": name, **given})
            if name.startswith("final_result"):
                return json.dumps({"action": FINAL, **given})
            return json.dumps({"action": name, "arguments": given})
    return "".join(part.content for part in message.parts if isinstance(part, TextPart))


def _reads(messages: Sequence[ModelMessage]) -> list[str]:
    """The ids of the reads that were answered so far."""
    found = (
        _read_id(part)
        for message in messages
        if isinstance(message, ModelRequest)
        for part in message.parts
        if isinstance(part, ToolReturnPart)
    )
    return [read_id for read_id in found if read_id is not None]


def _read_id(part: ToolReturnPart) -> str | None:
    content = part.content
    if not isinstance(content, dict) or not {"rows", LEFT_OUT} & content.keys():
        return None
    read_id: str | None = content.get("read_id")
    return read_id


def _catalogue(described: Sequence[MetricDescription]) -> str:
    """The prompt of the mode: what may be asked for, and how, with worked examples in the agent's own names."""
    lines = []
    for item in described:
        by = ", ".join(name for dimension in item.dimensions for name in dimension.written[:3])
        told = item.metric.description or item.metric.label or item.metric.name
        unit = f" in {item.metric.unit}" if item.metric.unit else ""
        lines.append(f"- {item.metric.name}{unit}: {told.rstrip('.')}. By: {by or 'nothing'}")
    metric = described[0].metric.name if described else "nothing"
    names = [name for item in described[:1] for it in item.dimensions for name in it.written]
    plain: dict[str, Any] = {
        "action": QUERY_METRICS,
        "metrics": [metric],
        "group_by": [],
        "time_range": None,
        "filters": [],
        "order_by": [],
        "limit": 1,
    }
    answer = {
        "action": FINAL,
        "answer": f"There were 123 {metric} in all.",
        "figures": [{"name": metric, "value": 123, "read": 1}],
        "confidence": 0.9,
    }
    filters = [{"dimension": name, "operator": "=", "values": ["X"]} for name in names[:1]]
    grouped = plain | {"group_by": names[:1], "order_by": [f"-{metric}"]}
    return Template(prompt("constrained")).substitute(
        metrics="\n".join(lines) or "none",
        metric=metric,
        example_query=json.dumps(plain),
        example_answer=json.dumps(answer),
        example_grouped=json.dumps(grouped),
        example_filtered=json.dumps(plain | {"filters": filters}),
        example_ranged=json.dumps(plain | {"time_range": _MAY}),
    )
