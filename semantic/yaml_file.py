"""A YAML file that people write, with the line of every value, so that an error can point at it.

Small on purpose: a size cap, a depth cap, no aliases (they expand without bound), no key twice, and no word but true and
false is a boolean: in a list of states, NO and ON are Norway and Ontario.
"""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import yaml
from pydantic import BaseModel, ValidationError

from semantic.errors import GovernedMetricsError, did_you_mean

MAX_BYTES = 1_000_000
MAX_DEPTH = 20
ModelT = TypeVar("ModelT", bound=BaseModel)
Keys = tuple[str | int, ...]


class _Loader(yaml.SafeLoader):
    """PyYAML's safe loader with the booleans of YAML 1.2."""


_BOOLEAN = "tag:yaml.org,2002:bool"
_Loader.yaml_implicit_resolvers = {
    letter: [(tag, pattern) for tag, pattern in resolvers if tag != _BOOLEAN]
    for letter, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}
_Loader.add_implicit_resolver(
    _BOOLEAN, re.compile(r"(?:true|True|TRUE|false|False|FALSE)\Z"), list("tTfF")
)


@dataclass(frozen=True, kw_only=True)
class YamlFile:
    """The parsed content of a file, and the line on which each value stands."""

    path: Path
    data: Any
    lines: dict[Keys, int]

    def where(self, *keys: str | int) -> str:
        """`file:line` of the value that these keys lead to, or of the nearest one above it."""
        for length in range(len(keys), -1, -1):
            if keys[:length] in self.lines:
                return f"{self.path}:{self.lines[keys[:length]]}"
        return str(self.path)


def load_yaml(path: Path, error: type[GovernedMetricsError]) -> YamlFile:
    """The content of a YAML file. Raises `error` with file and line where it cannot be read."""
    try:
        if path.stat().st_size > MAX_BYTES:
            raise error(f"{path} is larger than {MAX_BYTES:,} bytes")
        text = path.read_text(encoding="utf-8")
    except OSError as failure:
        raise error(f"Cannot read {path}: {failure.strerror}") from failure
    except UnicodeDecodeError as failure:
        raise error(f"{path} is not UTF-8 text") from failure
    return parse_yaml(text, path=path, error=error)


def parse_yaml(text: str, *, path: Path, error: type[GovernedMetricsError]) -> YamlFile:
    """The content of YAML text that stands in `path`."""
    try:
        for event in yaml.parse(text, _Loader):
            if isinstance(event, yaml.AliasEvent):
                raise error(
                    f"{_at(path, event.start_mark)}: uses a YAML alias (*{event.anchor})",
                    hint="write the value out",
                )
        node = yaml.compose(text, _Loader)
    except RecursionError as failure:
        raise error(f"{path} is nested too deeply") from failure
    except yaml.MarkedYAMLError as failure:
        where = _at(path, failure.problem_mark)
        raise error(f"{where}: {failure.problem or 'is not YAML'}") from failure
    except yaml.reader.ReaderError as failure:
        line = text.count("\n", 0, failure.position) + 1
        raise error(
            f"{path}:{line}: has the character {failure.character!r}, which YAML does not",
            hint="remove it, or write it as \\x.. in double quotes",
        ) from failure
    except yaml.YAMLError as failure:
        raise error(f"{path} is not YAML: {failure}") from failure
    lines: dict[Keys, int] = {}
    data = _value(node, (), lines, path, error) if node else None
    return YamlFile(path=path, data=data, lines=lines)


def validate(model: type[ModelT], file: YamlFile, error: type[GovernedMetricsError]) -> ModelT:
    """The file's content as `model`. Raises `error` that names the line, what stands there and the nearest valid key."""
    if not isinstance(file.data, dict):
        raise error(
            f"{file.path}:1: {'is empty' if file.data is None else 'is not a mapping'}",
            hint=f"known keys: {', '.join(_known_keys(model, ()))}",
        )
    try:
        return model.model_validate(file.data)
    except ValidationError as failure:
        # An unknown key goes before the key that it may have been meant to be.
        failures = failure.errors(include_url=False)
        first = min(failures, key=lambda item: item["type"] != "extra_forbidden")
        keys = _of_file(first["loc"], file)
        where = file.where(*keys)
        name = ".".join(str(key) for key in keys) or "the file"
        if first["type"] == "extra_forbidden":
            known = _known_keys(model, keys[:-1])
            raise error(
                f"{where}: unknown key '{keys[-1]}'",
                hint=did_you_mean(str(keys[-1]), known) or f"known keys: {', '.join(known)}",
            ) from failure
        message = first["msg"].removeprefix("Value error, ")
        raise error(f"{where}: {name}: {message}") from failure


def _of_file(place: Keys, file: YamlFile) -> Keys:
    """The keys of a place that stand in the file, without the names that a union gives to its kinds."""
    keys: Keys = ()
    for key in place:
        if (*keys, key) in file.lines or key == place[-1]:
            keys = (*keys, key)
    return keys


def _at(path: Path, mark: Any) -> str:
    return f"{path}:{mark.line + 1}" if mark else str(path)


def _value(
    node: yaml.Node,
    keys: Keys,
    lines: dict[Keys, int],
    path: Path,
    error: type[GovernedMetricsError],
) -> Any:
    lines[keys] = node.start_mark.line + 1
    if len(keys) > MAX_DEPTH:
        raise error(f"{path}:{lines[keys]}: is nested too deeply")
    if isinstance(node, yaml.SequenceNode):
        return [
            _value(item, (*keys, position), lines, path, error)
            for position, item in enumerate(node.value)
        ]
    if isinstance(node, yaml.MappingNode):
        found: dict[str, Any] = {}
        for key_node, value_node in node.value:
            key = str(key_node.value)
            if key in found:
                raise error(f"{path}:{key_node.start_mark.line + 1}: '{key}' stands here twice")
            found[key] = _value(value_node, (*keys, key), lines, path, error)
            lines[(*keys, key)] = key_node.start_mark.line + 1
        return found
    try:
        return _Loader("").construct_object(node)
    except (yaml.YAMLError, ValueError, AttributeError, TypeError) as failure:
        raise error(f"{path}:{lines[keys]}: {node.value!r} is not a value") from failure


def _known_keys(model: type[BaseModel], keys: Keys) -> list[str]:
    current: Any = model
    names_entry = False
    for key in keys:
        if isinstance(key, int) or names_entry:
            names_entry = False
            continue
        field = current.model_fields.get(key) if _is_model(current) else None
        if field is None:
            return []
        types = _types_in(field.annotation)
        names_entry = any(getattr(item, "__origin__", None) is dict for item in types)
        current = next((item for item in types if _is_model(item)), None)
    return sorted(current.model_fields) if _is_model(current) else []


def _types_in(annotation: Any) -> list[Any]:
    inner = getattr(annotation, "__args__", ())
    return [annotation, *(found for item in inner for found in _types_in(item))]


def _is_model(value: Any) -> bool:
    return isinstance(value, type) and issubclass(value, BaseModel)
