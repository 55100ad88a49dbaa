"""`PlayedModel`: a chat model that says what one said in a run that is on record. For tests of an agent, without asking anybody.

$ governed-agents recording b6d08ebb --to tests/watch.json
PlayedModel.load(Path("tests/watch.json"))
resolve_model("recorded:tests/watch.json")
"""

import re
from pathlib import Path
from typing import Any, Literal, Self

from pydantic import BaseModel, ConfigDict, ValidationError
from pydantic_ai.messages import (
    ModelMessage,
    ModelMessagesTypeAdapter,
    ModelRequest,
    ModelResponse,
)
from pydantic_ai.models.function import AgentInfo, FunctionModel

from agent_resources.chat_json import response_from_json
from agent_resources.errors import ModelUnavailable

RECORDED = "recorded:"
_ID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_READ_ID = re.compile(rf'read_id\\*":\s*\\*"({_ID.pattern})')
HOW_TO_RECORD = "record a run of the agent: governed-agents recording RUN --to FILE"


class Recording(BaseModel):
    """What a chat model said in a run: its responses in order, as JSON, and the ids of the reads that it was answered, in the order in which it
    was told of them.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    format: Literal[1] = 1
    agent: str
    run_id: str
    definition_hash: str
    model: str
    responses: tuple[dict[str, Any], ...]
    reads: tuple[str, ...]


class PlayedModel(FunctionModel):
    """A model that says what another one said, response by response, whatever it is told.

    Its name begins with `recorded:`. A read has another id each time: where a response names one, it names the read that stands in its place. A run that asks for
    more than was said ends with `ModelUnavailable`: record it again.
    """

    def __init__(self, recording: Recording) -> None:
        self._recording = recording
        self._responses = [response_from_json(written) for written in recording.responses]
        super().__init__(self._respond, model_name=f"{RECORDED}{recording.model}")

    @classmethod
    def load(cls, path: Path) -> Self:
        """The model of a recording. Raises `ModelUnavailable` where the file is none."""
        try:
            return cls(Recording.model_validate_json(path.read_bytes()))
        except OSError as error:
            raise ModelUnavailable(
                f"Cannot read the recording {path}: {error.strerror}", hint=HOW_TO_RECORD
            ) from error
        except (ValidationError, ValueError) as error:
            raise ModelUnavailable(f"{path} is no recording", hint=HOW_TO_RECORD) from error

    def _respond(self, messages: list[ModelMessage], info: AgentInfo) -> ModelResponse:  # noqa: ARG002
        said = sum(isinstance(message, ModelResponse) for message in messages)
        if said >= len(self._responses):
            raise ModelUnavailable(
                f"The recording of '{self._recording.agent}' has {len(self._responses)} responses, and the run asks for another",
                hint=HOW_TO_RECORD,
            )
        ids = dict(zip(self._recording.reads, _told_of(messages), strict=False))
        return response_from_json(_renamed(self._recording.responses[said], ids))


def _told_of(messages: list[ModelMessage]) -> list[str]:
    """The ids of the reads that the model was told of so far, each once, in order."""
    requests: list[ModelMessage] = [it for it in messages if isinstance(it, ModelRequest)]
    text = ModelMessagesTypeAdapter.dump_json(requests).decode()
    return list(dict.fromkeys(_READ_ID.findall(text)))


def _renamed(value: Any, ids: dict[str, str]) -> Any:
    """A JSON value with other ids in its texts."""
    match value:
        case dict():
            return {name: _renamed(item, ids) for name, item in value.items()}
        case list():
            return [_renamed(item, ids) for item in value]
        case str():
            return _ID.sub(lambda found: ids.get(found.group(), found.group()), value)
        case _:
            return value
