"""Keeps the conversation of a run within so many tokens: what tools returned first is put in a sentence.

The record and the journal hold all of it; only what the chat model is sent again and again becomes shorter.
"""

from dataclasses import replace
from typing import Any

from pydantic_ai.messages import (
    ModelMessage,
    ModelMessagesTypeAdapter,
    ModelRequest,
    ModelResponse,
    ToolReturnPart,
)
from pydantic_ai.models import Model, ModelRequestParameters
from pydantic_ai.models.wrapper import WrapperModel
from pydantic_ai.settings import ModelSettings

# Of English and figures; for what is kept short it need not be right.
_BYTES_PER_TOKEN = 4
_SHORT = 300
LEFT_OUT = "left_out_to_save_room"


class ShortConversation(WrapperModel):
    """A chat model that is sent about so many tokens of the conversation at most: of older results a sentence, the newest ones whole."""

    def __init__(self, model: Model, tokens: int) -> None:
        super().__init__(model)
        self._bytes = tokens * _BYTES_PER_TOKEN

    async def request(
        self,
        messages: list[ModelMessage],
        model_settings: ModelSettings | None,
        model_request_parameters: ModelRequestParameters,
    ) -> ModelResponse:
        """The response. Raises what the model raises."""
        return await self.wrapped.request(
            shortened(messages, self._bytes), model_settings, model_request_parameters
        )


def shortened(messages: list[ModelMessage], most: int) -> list[ModelMessage]:
    """The messages in at most so many bytes, as far as shorter results bring them there: the oldest first, the last message not at all."""
    found = list(messages)
    for position, message in enumerate(found[:-1]):
        if _size(found) <= most:
            return found
        if isinstance(message, ModelRequest):
            parts = [_in_a_sentence(part) for part in message.parts]
            found[position] = replace(message, parts=parts)
    return found


def _size(messages: list[ModelMessage]) -> int:
    return len(ModelMessagesTypeAdapter.dump_json(messages))


def _in_a_sentence(part: Any) -> Any:
    if not isinstance(part, ToolReturnPart) or len(part.model_response_str()) <= _SHORT:
        return part
    return replace(part, content=_summary(part))


def _summary(part: ToolReturnPart) -> str | dict[str, Any]:
    content = part.content
    if isinstance(content, dict) and "rows" in content:
        columns = ", ".join(map(str, content.get("columns", ())))
        return {
            "read_id": content.get("read_id"),
            LEFT_OUT: f"{len(content['rows'])} rows of {columns}: ask again, for less, where you need them",
        }
    return f"Left out to save room: {len(part.model_response_str()):,} characters. Ask again where you need them."
