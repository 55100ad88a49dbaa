"""What goes to and from a chat model, as JSON."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import TypeAdapter
from pydantic_ai.messages import ModelMessage, ModelMessagesTypeAdapter, ModelResponse
from pydantic_ai.models import ModelRequestParameters
from pydantic_ai.settings import ModelSettings

_RESPONSE = TypeAdapter(ModelResponse)
# What differs each time that the same is asked.
_OF_THE_MOMENT = ("timestamp", "run_id", "conversation_id")


def response_to_json(response: ModelResponse) -> dict[str, Any]:
    """A response with all that it took, as `response_from_json` takes it."""
    written: dict[str, Any] = _RESPONSE.dump_python(response, mode="json")
    return written


def response_from_json(written: Mapping[str, Any]) -> ModelResponse:
    """The response that `response_to_json` wrote. Raises `ValueError` for anything else."""
    return _RESPONSE.validate_python(written)


def request_fingerprint(
    model: str,
    messages: Sequence[ModelMessage],
    settings: ModelSettings | None,
    parameters: ModelRequestParameters,
) -> str:
    """The digest of what a model is asked: the messages so far with the instructions, the tools it is shown, and the settings. The same for
    the same request at another time.
    """
    asked = {
        "model": model,
        "messages": _lasting(ModelMessagesTypeAdapter.dump_python(list(messages), mode="json")),
        "tools": {
            tool.name: [tool.description, tool.parameters_json_schema]
            for tool in (*parameters.function_tools, *parameters.output_tools)
        },
        "output": _output_schema(parameters),
        "settings": {
            name: value
            for name, value in (settings or {}).items()
            if isinstance(value, str | int | float | bool)
        },
    }
    return hashlib.sha256(json.dumps(asked, sort_keys=True).encode()).hexdigest()


def bytes_of_request(messages: Sequence[ModelMessage], parameters: ModelRequestParameters) -> int:
    """The bytes of a request as JSON, which no tokenizer makes more tokens of."""
    tools = [
        [tool.name, tool.description, tool.parameters_json_schema]
        for tool in (*parameters.function_tools, *parameters.output_tools)
    ]
    asked = [tools, _output_schema(parameters)]
    return len(ModelMessagesTypeAdapter.dump_json(list(messages))) + len(json.dumps(asked))


def _output_schema(parameters: ModelRequestParameters) -> object:
    """The schema that a response is held to, None where there is none."""
    return parameters.output_object.json_schema if parameters.output_object else None


def _lasting(value: Any) -> Any:
    """A dumped message without what is of the moment."""
    match value:
        case dict():
            return {
                name: _lasting(item) for name, item in value.items() if name not in _OF_THE_MOMENT
            }
        case list():
            return [_lasting(item) for item in value]
        case _:
            return value
