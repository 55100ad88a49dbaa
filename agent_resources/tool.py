"""A tool that an agent's author gives it beside those that read metrics: a Python function, and what it does to the world.

    tools:
      - {call: "my_project.tools:miles_in_kilometres", effect: none}
      - {call: "my_project.tools:open_ticket", effect: write}

Its arguments are the annotated parameters of the function, and the model is told its docstring.
"""

import inspect
from collections.abc import Callable, Sequence
from enum import StrEnum
from functools import wraps
from typing import Any, get_type_hints

from pydantic import BaseModel, ConfigDict, Field, create_model

from agent_resources.errors import AgentDefinitionError
from agent_resources.import_path import HOW, IMPORT_PATH, imported, wrong_import
from semantic.yaml_file import YamlFile

_OF_EVERY_AGENT = (
    "list_metrics",
    "describe_metric",
    "query_metrics",
    "remember_fact",
    "recall_facts",
    "recall_past_runs",
    "recall_decisions",
    "final_result",
    "final_answer",
)
_LONGEST_NAME = 63
IDEMPOTENCY_KEY = "idempotency_key"


class Effect(StrEnum):
    """What a call does beside returning something: nothing; a look at something outside; or a change of something outside, which nobody
    can take back by running the agent again.
    """

    NONE = "none"
    READ = "read"
    WRITE = "write"


class Tool(BaseModel):
    """A tool as its author wrote it: the import path of a function, and its effect."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    call: str = Field(pattern=IMPORT_PATH, max_length=300)
    effect: Effect

    @property
    def name(self) -> str:
        """The name of the function, by which the model and the policy know it."""
        return self.call.partition(":")[2]

    def load(self) -> Callable[..., Any]:
        """The function. Raises `ImportError` or `AttributeError`."""
        found: Callable[..., Any] = imported(self.call)
        return found

    def load_as_shown(self) -> Callable[..., Any]:
        """The function as a model is shown it: of a call that is made once, the key is not the model's. Raises `ImportError` or `AttributeError`."""
        function = self.load()
        if not takes_key(function):
            return function

        @wraps(function)
        def shown(**arguments: Any) -> Any:
            return function(**arguments)

        signature = inspect.signature(function)
        kept = [it for name, it in signature.parameters.items() if name != IDEMPOTENCY_KEY]
        shown.__signature__ = signature.replace(parameters=kept)  # type: ignore[attr-defined]
        shown.__annotations__ = {
            name: hint
            for name, hint in get_type_hints(function, include_extras=True).items()
            if name != IDEMPOTENCY_KEY
        }
        return shown


def takes_key(function: Callable[..., Any]) -> bool:
    """Whether a function is given a key by which it knows a call that it has made before."""
    return IDEMPOTENCY_KEY in inspect.signature(function).parameters


def check_tools(tools: Sequence[Tool], file: YamlFile) -> None:
    """Raises `AgentDefinitionError` with file and line where a tool of an agent cannot be called by a model."""
    for position, tool in enumerate(tools):
        wrong = _wrong_name(tool, tools[:position]) or _wrong_function(tool)
        if wrong is not None:
            message, hint = wrong
            raise AgentDefinitionError(f"{file.where('tools', position)}: {message}", hint=hint)


def _wrong_name(tool: Tool, before: Sequence[Tool]) -> tuple[str, str] | None:
    if tool.name in _OF_EVERY_AGENT:
        return (
            f"the tool '{tool.name}' has the name of one that agents have",
            "give the function another name",
        )
    if any(tool.name == other.name for other in before):
        return f"two tools have the name '{tool.name}'", "give one of the functions another name"
    if len(tool.name) > _LONGEST_NAME:
        return f"the name of a tool has at most {_LONGEST_NAME} characters", "give it a shorter one"
    return None


def _wrong_function(tool: Tool) -> tuple[str, str] | None:
    wrong = wrong_import("the tool", tool.call)
    if wrong is not None:
        return wrong
    function = tool.load()
    if not inspect.isfunction(function):
        return f"the tool '{tool.call}' is no function", HOW
    if not inspect.getdoc(function):
        return (
            f"the tool '{tool.call}' has no docstring, and a model would not know what it does",
            "say in its docstring what it returns",
        )
    return _wrong_parameters(tool, function)


def _wrong_parameters(tool: Tool, function: Callable[..., Any]) -> tuple[str, str] | None:
    """What is wrong with the parameters of a function, for a model that gives them as JSON by name."""
    parameters = inspect.signature(function).parameters.values()
    for item in parameters:
        if item.kind not in (item.POSITIONAL_OR_KEYWORD, item.KEYWORD_ONLY):
            return (
                f"the parameter '{item.name}' of the tool '{tool.call}' cannot be given by its name",
                "give the function plain parameters",
            )
        if item.annotation is item.empty:
            return (
                f"the parameter '{item.name}' of the tool '{tool.call}' has no type",
                "annotate it: a model is told what it may give",
            )
    try:
        hints = get_type_hints(function)
        fields: Any = {item.name: (hints[item.name], ...) for item in parameters}
        create_model(tool.name, **fields).model_json_schema()
    # Names that do not exist, and types that JSON does not have.
    except Exception as error:
        return (
            f"the tool '{tool.call}' takes what JSON does not have: {str(error).splitlines()[0]}",
            "annotate its parameters with plain types or pydantic models",
        )
    return None
