"""The catalogue and each metric as resources: what a client reads of them, and may be told of when they change."""

import json

import mcp_types as types

from agent_resources.mcp_server.caller import Caller
from semantic.catalog_text import catalog_text

CATALOG = "metrics://catalog"
METRIC = "metrics://metric/"
TEMPLATE = METRIC + "{name}"
_JSON, _TEXT = "application/json", "text/plain"


def listed(caller: Caller) -> list[types.Resource]:
    """The resources of a caller, by name; that of the catalogue first."""
    metrics = [
        types.Resource(
            name=metric.name, title=metric.label, uri=METRIC + metric.name, mime_type=_JSON
        )
        for metric in caller.readable
    ]
    return [catalog_resource(), *metrics]


def catalog_resource() -> types.Resource:
    # No metric's name begins with this sign, so it stands before all of them.
    return types.Resource(
        name="(catalog)", title="All metrics that you may read", uri=CATALOG, mime_type=_TEXT
    )


def template() -> types.ResourceTemplate:
    return types.ResourceTemplate(
        name="metric", title="A metric", uri_template=TEMPLATE, mime_type=_JSON
    )


def contents(caller: Caller, uri: str) -> types.TextResourceContents | None:
    """What a resource holds for a caller; None where there is none, or it is not the caller's. Raises `SnapshotUnavailable`."""
    if uri == CATALOG:
        described = caller.door.describe_all(caller.session.reader)
        return types.TextResourceContents(uri=uri, mime_type=_TEXT, text=catalog_text(described))
    found = caller.describe(uri.removeprefix(METRIC)) if uri.startswith(METRIC) else None
    if found is None:
        return None
    text = json.dumps(caller.view(found), ensure_ascii=False)
    return types.TextResourceContents(uri=uri, mime_type=_JSON, text=text)


def is_readable(caller: Caller, uri: str) -> bool:
    """Whether there is such a resource for a caller."""
    return uri == CATALOG or (uri.startswith(METRIC) and _metric(caller, uri) is not None)


def version_of(caller: Caller, uri: str) -> str | None:
    """What changes when a resource does, as its caller sees it: of a metric its definition, its data and whether it may be read now; of the catalogue
    what stands in it. None where there is none for this caller. Raises `SnapshotUnavailable`.
    """
    if uri == CATALOG:
        return " ".join(f"{it.name} {it.definition_hash}" for it in caller.readable)
    name = _metric(caller, uri)
    if name is None:
        return None
    state = caller.session.snapshot.metrics.get(name)
    definition = caller.door.catalog.metrics[name].definition_hash
    return f"{definition} {caller.version(name)} {state.state if state else None}"


def _metric(caller: Caller, uri: str) -> str | None:
    name = uri.removeprefix(METRIC)
    metric = caller.door.catalog.metrics.get(name)
    is_theirs = metric is not None and caller.door.policy.is_readable(caller.session.reader, metric)
    return name if is_theirs else None
