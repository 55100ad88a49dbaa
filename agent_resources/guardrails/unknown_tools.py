"""Puts on record what a model tried to call and was never shown."""

from pydantic_ai.messages import ModelMessage, ModelResponse, ToolCallPart
from pydantic_ai.models import Model, ModelRequestParameters
from pydantic_ai.models.wrapper import WrapperModel
from pydantic_ai.settings import ModelSettings

from agent_resources.tool_calls import ToolCalls


class UnknownTools(WrapperModel):
    """A chat model of which each call of a tool that it was not shown is on record. The engine tells the model that there is no such tool."""

    def __init__(self, model: Model, calls: ToolCalls) -> None:
        super().__init__(model)
        self._calls = calls

    async def request(
        self,
        messages: list[ModelMessage],
        model_settings: ModelSettings | None,
        model_request_parameters: ModelRequestParameters,
    ) -> ModelResponse:
        """The response. Raises what the model raises, and `LedgerUnavailable`."""
        response = await self.wrapped.request(messages, model_settings, model_request_parameters)
        shown = {
            tool.name
            for tool in (
                *model_request_parameters.function_tools,
                *model_request_parameters.output_tools,
            )
        }
        for position, part in enumerate(response.parts):
            if isinstance(part, ToolCallPart) and part.tool_name not in shown:
                name = f"{len(messages):03} {position:03}"
                self._calls.refuse_unknown(part.tool_name, part.args, name)
        return response
