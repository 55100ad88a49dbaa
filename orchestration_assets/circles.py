"""Circles among agents that follow each other."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from agent_resources.agent import AgentDefinition
from agent_resources.errors import AgentDefinitionError
from semantic.yaml_file import load_yaml


def refuse_circles(
    definitions: Sequence[AgentDefinition],
    paths: Sequence[Path],
    others: Mapping[str, Sequence[str]],
    *,
    place: tuple[str, str],
    what: str,
    hint: str,
) -> None:
    """Raises `AgentDefinitionError` where agents follow each other in a circle. `others` are by agent those that it follows, as `place` in its file says;
    `what` they do in words.
    """
    for definition, path in zip(definitions, paths, strict=True):
        way = way_back(definition.name, others)
        if way:
            where = load_yaml(path, AgentDefinitionError).where(*place)
            raise AgentDefinitionError(
                f"{where}: these agents {what} in a circle: {' <- '.join(way)}", hint=hint
            )


def way_back(name: str, others: Mapping[str, Sequence[str]]) -> list[str]:
    """A way from an agent along those that it follows back to itself, nothing where there is none."""
    ways, seen = [[name]], {name}
    while ways:
        way = ways.pop(0)
        for other in others.get(way[-1], ()):
            if other == name:
                return [*way, name]
            if other not in seen:
                seen.add(other)
                ways.append([*way, other])
    return []
