"""The actions that a model may take in a turn, as one JSON schema, and what each means as a call of a tool."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pydantic_ai.tools import ToolDefinition

from agent_resources.metric_tools import QUERY_METRICS
from semantic.governed_metrics import MetricDescription

FINAL = "final_answer"
_DEFINITIONS = "$defs"
_MOST_METRICS, _MOST_GROUPS, _MOST_FILTERS, _MOST_VALUES, _MOST_FIGURES = 5, 3, 3, 20, 20
_OPERATORS = ("=", "!=", ">", ">=", "<", "<=", "in", "not_in")
_DATE = {"type": "string", "pattern": r"^\d{4}-\d{2}-\d{2}$"}
Schema = dict[str, Any]


@dataclass(frozen=True, kw_only=True)
class Actions:
    """What an agent may do: ask for metrics by the names that it is granted, call a tool of its author's, and answer.

    `reads` are the ids of the reads so far, which an answer cites by their number.
    """

    described: Sequence[MetricDescription]
    tools: Sequence[ToolDefinition]
    output: Schema | None
    reads: Sequence[str]

    def schema(self) -> Schema:
        """One object: any of the actions."""
        queries = [self._query()] if self.described else []
        own = [self._own(tool) for tool in self.tools]
        named = {
            name: schema
            for part in (self.output or {}, *(tool.parameters_json_schema for tool in self.tools))
            for name, schema in part.get(_DEFINITIONS, {}).items()
        }
        actions: Schema = {"anyOf": [*queries, *own, self._answer()]}
        return actions | ({_DEFINITIONS: named} if named else {})

    def call_of(self, text: str) -> tuple[str, dict[str, Any]] | None:
        """The tool that an action calls and its arguments, `FINAL` with those of a decision; None where the text is no action."""
        try:
            action = json.loads(text)
        except (ValueError, RecursionError):
            return None
        if not isinstance(action, dict) or not isinstance(action.get("action"), str):
            return None
        arguments = {key: value for key, value in action.items() if key != "action"}
        if action["action"] == FINAL:
            return FINAL, self._decision(arguments)
        if action["action"] != QUERY_METRICS:
            given = arguments.get("arguments")
            return action["action"], given if isinstance(given, dict) else {}
        return QUERY_METRICS, {key: it for key, it in arguments.items() if it not in (None, [])}

    def _decision(self, arguments: Mapping[str, Any]) -> dict[str, Any]:
        figures = arguments.get("figures")
        cited = (
            [self._figure(item) for item in figures if isinstance(item, dict)]
            if isinstance(figures, list)
            else []
        )
        answer = arguments.get("answer")
        findings = [{"statement": str(answer)[:2_000], "figures": cited}] if cited else []
        decision = {
            "answer": answer,
            "findings": findings,
            "confidence": arguments.get("confidence"),
        }
        return decision | ({"output": arguments.get("output")} if self.output else {})

    def _figure(self, item: Mapping[str, Any]) -> dict[str, Any]:
        number = item.get("read")
        is_known = isinstance(number, int) and 1 <= number <= len(self.reads)
        read_id = self.reads[number - 1] if is_known and isinstance(number, int) else str(number)
        return {"name": item.get("name"), "value": item.get("value"), "read_id": read_id}

    def _query(self) -> Schema:
        metrics = sorted(item.metric.name for item in self.described)
        dimensions = sorted(
            {name for item in self.described for it in item.dimensions for name in it.written}
        )
        named = {"enum": dimensions}
        return _action(
            QUERY_METRICS,
            {
                "metrics": _several({"enum": metrics}, _MOST_METRICS, least=1),
                "group_by": _several(named, _MOST_GROUPS),
                "time_range": {
                    "anyOf": [_object({"start": _DATE, "end": _DATE}), {"type": "null"}]
                },
                "filters": _several(
                    _object(
                        {
                            "dimension": named,
                            "operator": {"enum": list(_OPERATORS)},
                            "values": _several({"type": "string"}, _MOST_VALUES, least=1),
                        }
                    ),
                    _MOST_FILTERS,
                ),
                "order_by": _several({"enum": [*metrics, *(f"-{name}" for name in metrics)]}, 1),
                "limit": {"type": "integer", "minimum": 1, "maximum": 100},
            },
        )

    def _own(self, tool: ToolDefinition) -> Schema:
        return _action(tool.name, {"arguments": _without_definitions(tool.parameters_json_schema)})

    def _answer(self) -> Schema:
        numbers: Schema = {"enum": list(range(1, len(self.reads) + 1))}
        figure = _object({"name": {"type": "string"}, "value": {"type": "number"}, "read": numbers})
        figures = (
            _several(figure, _MOST_FIGURES) if self.reads else {"type": "array", "maxItems": 0}
        )
        properties: Schema = {
            "answer": {"type": "string", "minLength": 1, "maxLength": 4_000},
            "figures": figures,
            "confidence": {"type": "number", "minimum": 0, "maximum": 1},
        }
        own = {"output": _without_definitions(self.output)} if self.output else {}
        return _action(FINAL, properties | own)


def _without_definitions(schema: Schema) -> Schema:
    """A schema whose definitions stand at the root of the whole."""
    return {key: value for key, value in schema.items() if key != _DEFINITIONS}


def _action(name: str, properties: Schema) -> Schema:
    return _object({"action": {"const": name}, **properties})


def _object(properties: Schema) -> Schema:
    return {
        "type": "object",
        "properties": properties,
        "required": list(properties),
        "additionalProperties": False,
    }


def _several(item: Schema, most: int, *, least: int = 0) -> Schema:
    return {"type": "array", "items": item, "minItems": least, "maxItems": most}
