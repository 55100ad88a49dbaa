"""The type of what an agent puts beside its answer: a JSON schema, or a pydantic class by its import path.

    output: "flight_ops.outputs:Forecast"
    output: {type: object, properties: {severity: {enum: [low, high]}}, required: [severity]}

What does not fit goes back to the model.
"""

from collections.abc import Iterator, Mapping
from typing import Annotated, Any

from jsonschema import Draft202012Validator
from jsonschema.exceptions import SchemaError, best_match
from pydantic import AfterValidator, BaseModel, WithJsonSchema, create_model

from agent_resources.decision import Answered, Decision
from agent_resources.errors import AgentDefinitionError
from agent_resources.import_path import HOW, imported, wrong_import
from semantic.errors import did_you_mean
from semantic.yaml_file import YamlFile

_REFERENCES = {"$ref", "$dynamicRef", "$recursiveRef"}
# Keywords that say something and forbid nothing.
_ANNOTATIONS = {
    *("title", "description", "default", "examples", "deprecated", "readOnly", "writeOnly"),
    *("$schema", "$id", "$comment", "$anchor", "$defs", "contentMediaType", "contentEncoding"),
    *("then", "else", "minContains", "maxContains", "format"),
}
_KEYWORDS = {*Draft202012Validator.VALIDATORS, *_ANNOTATIONS}
_OF_NAMES = {"properties", "patternProperties", "dependentSchemas", "$defs"}
_OF_VALUES = {"const", "enum", "default", "examples", "required", "dependentRequired"}
OutputType = str | dict[str, Any]


def answered_type(output: OutputType | None) -> type[Answered]:
    """What a chat model of an agent answers with. Raises `ImportError`, `AttributeError` or `TypeError` where its class is not there."""
    if output is None:
        return Answered
    annotation = _of_schema(output) if isinstance(output, dict) else _class_of(output)
    made: type[Answered] = create_model(
        "Decision", __base__=Answered, __doc__=Answered.__doc__, output=(annotation, ...)
    )
    return made


def decision_of(answered: Answered) -> Decision:
    """What was answered, as a decision, with its output as JSON values."""
    return Decision.model_validate(answered.model_dump(mode="json"))


def field_names(output: OutputType | None) -> tuple[str, ...]:
    """The names of all fields of an output, those of what it holds among them, in order. Raises as `answered_type` does."""
    if output is None:
        return ()
    schema = output if isinstance(output, dict) else _class_of(output).model_json_schema()
    return tuple(sorted(set(_properties_of(schema))))


def check_output(output: OutputType | None, file: YamlFile) -> None:
    """Raises `AgentDefinitionError` with file and line where this is no type of an output."""
    if output is None:
        return
    wrong = _wrong_schema(output) if isinstance(output, dict) else _wrong_class(output)
    if wrong is not None:
        message, hint = wrong
        raise AgentDefinitionError(f"{file.where('output')}: {message}", hint=hint)


def _of_schema(schema: Mapping[str, Any]) -> Any:
    validator = Draft202012Validator(schema)

    def fits(value: dict[str, Any]) -> dict[str, Any]:
        error = best_match(validator.iter_errors(value))
        if error is not None:
            where = ".".join(str(key) for key in error.absolute_path)
            raise ValueError(f"{where or 'output'}: {error.message}")
        return value

    return Annotated[dict[str, Any], AfterValidator(fits), WithJsonSchema(dict(schema))]


def _class_of(path: str) -> type[BaseModel]:
    found = imported(path)
    if not (isinstance(found, type) and issubclass(found, BaseModel)):
        raise TypeError(f"{path} is no pydantic class")
    return found


def _wrong_schema(schema: Mapping[str, Any]) -> tuple[str, str] | None:
    try:
        Draft202012Validator.check_schema(schema)
    except SchemaError as error:
        where = ".".join(str(key) for key in error.absolute_path)
        return (
            f"the output is no JSON schema: {where or 'schema'}: {error.message}",
            "write one of JSON Schema 2020-12",
        )
    if schema.get("type") != "object":
        return (
            "the output is a JSON schema of another type than object",
            "begin with `type: object`",
        )
    unknown = next((key for key in _keywords_of(schema) if not _is_keyword(key)), None)
    if unknown is not None:
        return (
            f"the output has '{unknown}', which is no keyword of JSON schemas",
            did_you_mean(unknown, _KEYWORDS) or "name fields under `properties`",
        )
    if _REFERENCES & set(_keys_of(schema)):
        return (
            "the output is a JSON schema with $ref",
            "write out what it refers to, or give a pydantic class",
        )
    return None


def _keys_of(schema: object) -> Iterator[str]:
    match schema:
        case dict():
            for key, value in schema.items():
                # The name of a property is followed by a schema, and not by a text.
                if isinstance(value, str):
                    yield str(key)
                yield from _keys_of(value)
        case list():
            for value in schema:
                yield from _keys_of(value)


def _keywords_of(schema: object) -> Iterator[str]:
    """The keywords of a schema and of those within it: what stands under `properties` and its like are names."""
    if not isinstance(schema, dict):
        return
    for key, value in schema.items():
        yield key
        if key in _OF_NAMES and isinstance(value, dict):
            for inner in value.values():
                yield from _keywords_of(inner)
        elif key not in _OF_VALUES and not key.startswith("x-"):
            for inner in value if isinstance(value, list) else [value]:
                yield from _keywords_of(inner)


def _properties_of(schema: object) -> Iterator[str]:
    match schema:
        case dict():
            properties = schema.get("properties")
            yield from properties if isinstance(properties, dict) else ()
            for inner in schema.values():
                yield from _properties_of(inner)
        case list():
            for inner in schema:
                yield from _properties_of(inner)


def _is_keyword(key: str) -> bool:
    return key in _KEYWORDS or key.startswith("x-")


def _wrong_class(path: str) -> tuple[str, str] | None:
    wrong = wrong_import("the output", path)
    if wrong is not None:
        return wrong
    try:
        answered_type(path).model_json_schema()
    # What is no class of pydantic's, or one with fields that JSON does not have.
    except Exception as error:
        return f"the output '{path}' is no type that JSON has: {str(error).splitlines()[0]}", HOW
    return None
