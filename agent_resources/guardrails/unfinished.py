"""Has what a model did not finish, or refused to say, go back to it like any answer that is none, instead of ending the run at once."""

from dataclasses import replace

from pydantic_ai.messages import (
    ModelMessage,
    ModelResponse,
    TextPart,
    ThinkingPart,
    ToolCallPart,
)
from pydantic_ai.models import ModelRequestParameters
from pydantic_ai.models.wrapper import WrapperModel
from pydantic_ai.settings import ModelSettings

_WHY = {
    "length": "(cut off at the limit of tokens: the answer has to be shorter)",
    "content_filter": "(nothing was answered: the provider kept it back)",
}


class Unfinished(WrapperModel):
    """A chat model whose unfinished answers the engine takes for wrong ones: it says so to the model, as often as it may."""

    async def request(
        self,
        messages: list[ModelMessage],
        model_settings: ModelSettings | None,
        model_request_parameters: ModelRequestParameters,
    ) -> ModelResponse:
        """The response; where it is none, with a sentence that says so in its place. Raises what the model raises."""
        response = await self.wrapped.request(messages, model_settings, model_request_parameters)
        why = _WHY.get(response.finish_reason or "")
        if why is None:
            return response
        parts = list(response.parts)
        if not any(map(_says_something, parts)):
            parts = [*(part for part in parts if not isinstance(part, TextPart)), TextPart(why)]
        return replace(response, parts=parts, finish_reason="stop")


def _says_something(part: object) -> bool:
    if isinstance(part, TextPart):
        return bool(part.content.strip())
    return isinstance(part, ToolCallPart) or not isinstance(part, ThinkingPart)
