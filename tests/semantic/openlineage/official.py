"""OpenLineage's own types as JSON schemas, from the official client, which is generated from the official schemas: nothing may be there that these do not have."""

import json
import types
from collections.abc import Iterator, Mapping
from datetime import datetime
from enum import Enum
from functools import cache
from importlib import import_module
from pkgutil import iter_modules
from typing import Any, Union, get_args, get_origin, get_type_hints
from urllib.parse import urlsplit

import attr
import openlineage.client.generated as generated
from jsonschema import Draft202012Validator, FormatChecker
from openlineage.client.generated import base
from openlineage.client.generated.base import RunEvent
from openlineage.client.serde import Serde

from semantic.openlineage.facets import facet_schemas

Json = dict[str, Any]
FORMATS = FormatChecker()


@FORMATS.checks("date-time", raises=ValueError)
def _is_date_time(value: str) -> bool:
    return datetime.fromisoformat(value).tzinfo is not None


@FORMATS.checks("uri")
def _is_uri(value: str) -> bool:
    return bool(urlsplit(value).scheme)


# By where it stands and its key, the class of each facet that these events have: the keys are those of the specification.
KEYS = {
    ("run", "parent"): "ParentRunFacet",
    ("run", "errorMessage"): "ErrorMessageRunFacet",
    ("run", "tags"): "TagsRunFacet",  # which the client adds
    ("run", "governedAgents_run"): "GovernedAgentsRunFacet",
    ("job", "jobType"): "JobTypeJobFacet",
    ("dataset", "datasetType"): "DatasetTypeDatasetFacet",
    ("dataset", "version"): "DatasetVersionDatasetFacet",
    ("dataset", "documentation"): "DocumentationDatasetFacet",
    ("input", "inputStatistics"): "InputStatisticsInputDatasetFacet",
    ("input", "subset"): "InputSubsetInputDatasetFacet",
    ("input", "governedAgents_reads"): "GovernedAgentsReadsInputDatasetFacet",
    ("output", "outputStatistics"): "OutputStatisticsOutputDatasetFacet",
}


def plain(event: RunEvent) -> Json:
    """As it is sent."""
    return json.loads(Serde.to_json(event))


def check(event: Json) -> None:
    """Raises where an event, or a facet of it, is not as its schema says."""
    _validate(event, _schema(RunEvent))
    for place, facets in _facets(event):
        for key, facet in facets.items():
            name = KEYS[place, key]
            if name in facet_schemas():
                published = json.loads(facet_schemas()[name])
                Draft202012Validator.check_schema(published)
                assert facet["_schemaURL"] == published["$id"]
                _validate(facet, published)
            else:
                kind = _classes()[name]
                assert facet["_schemaURL"] == kind._get_schema()
                _validate(facet, _schema(kind))


def _facets(event: Json) -> Iterator[tuple[str, Json]]:
    yield "run", event["run"].get("facets", {})
    yield "job", event["job"].get("facets", {})
    for dataset in (*event["inputs"], *event["outputs"]):
        yield "dataset", dataset.get("facets", {})
    for dataset in event["inputs"]:
        yield "input", dataset.get("inputFacets", {})
    for dataset in event["outputs"]:
        yield "output", dataset.get("outputFacets", {})


def _validate(value: Json, schema: Json) -> None:
    Draft202012Validator(schema, format_checker=FORMATS).validate(value)


@cache
def _classes() -> Mapping[str, type]:
    modules = [
        import_module(f"{generated.__name__}.{it.name}") for it in iter_modules(generated.__path__)
    ]
    return {
        name: kind
        for module in modules
        for name, kind in vars(module).items()
        if isinstance(kind, type) and attr.has(kind) and kind.__module__ == module.__name__
    }


def _schema(kind: type) -> Json:
    """Of an object: its fields and no other, but for facets, which are looked at by their keys."""
    hints = get_type_hints(kind)
    properties: Json = {}
    required = []
    for item in attr.fields(kind):
        properties[item.name] = (
            {"type": "object"} if item.name.lower().endswith("facets") else _of(hints[item.name])
        )
        if item.default is attr.NOTHING or item.name in (
            "_producer",
            "_schemaURL",
            "producer",
            "schemaURL",
        ):
            required.append(item.name)
    for name, format_ in (
        ("runId", "uuid"),
        ("eventTime", "date-time"),
        ("producer", "uri"),
        ("_producer", "uri"),
        ("_schemaURL", "uri"),
        ("schemaURL", "uri"),
    ):
        if name in properties:
            properties[name] = {**properties[name], "format": format_}
    if kind.__name__ == "BinarySubsetCondition":
        properties["operator"] = {"enum": ["AND", "OR"]}
    if kind.__name__ == "CompareSubsetCondition":
        kinds = ["EQUAL", "GREATER_THAN", "GREATER_EQUAL_THAN", "LESS_THAN", "LESS_EQUAL_THAN"]
        properties["comparison"] = {"enum": kinds}
    is_dataset = issubclass(kind, base.Dataset)
    return {
        "type": "object",
        "properties": properties,
        "required": [*required, *(["namespace", "name"] if is_dataset else [])],
        "additionalProperties": False,
    }


def _of(hint: Any) -> Json:
    if hint is Any:
        return {}
    if hint is type(None):
        return {"type": "null"}
    if isinstance(hint, str):
        return _of(_classes()[hint])
    if getattr(hint, "__forward_arg__", None):
        return _of(_classes()[hint.__forward_arg__])
    origin = get_origin(hint)
    if origin in (Union, types.UnionType):
        return {"anyOf": [_of(it) for it in get_args(hint) if it is not type(None)]}
    if origin is list:
        return {"type": "array", "items": _of(get_args(hint)[0])}
    if origin is dict:
        return {"type": "object"}
    if isinstance(hint, type) and issubclass(hint, Enum):
        return {"enum": [it.value for it in hint]}
    if attr.has(hint):
        return _recursive(hint)
    return {"type": {str: "string", int: "integer", float: "number", bool: "boolean"}[hint]}


_open: list[type] = []
_DEEPEST = 6


def _recursive(kind: type) -> Json:
    """Conditions hold conditions: so deep and no deeper."""
    if _open.count(kind) >= _DEEPEST:
        return {"type": "object"}
    _open.append(kind)
    try:
        return _schema(kind)
    finally:
        _open.pop()
