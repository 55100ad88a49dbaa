"""Saved queries: metrics, dimensions and conditions that a dbt project keeps under one name."""

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from semantic.metric import EXTRACT

_GROUP_BY = re.compile(
    r"\s*(?:Time)?(?:Dimension|Entity)\(\s*['\"](?P<name>\w+)['\"]\s*"
    r"(?:,\s*(?:time_granularity_name\s*=\s*)?['\"](?P<grain>\w+)['\"]\s*)?"
    r"(?:,\s*date_part_name\s*=\s*['\"](?P<part>\w+)['\"]\s*)?\)"
    r"(?:\.grain\(\s*['\"](?P<method>\w+)['\"]\s*\))?\s*"
)
NAMED_IN_TEXT = re.compile(
    r"(?:Dimension|Entity|Metric)\(\s*(?:(?:name|entity_name|metric_name|time_dimension_name)\s*=\s*)?['\"]([^'\"]+)['\"]"
)


@dataclass(frozen=True, kw_only=True)
class SavedQuery:
    """A query that the dbt project declares. `conditions` are its own filters as the definition writes them, and `filtered_by`
    the names of dimensions and metrics that these speak of.
    """

    name: str
    label: str
    description: str
    metrics: tuple[str, ...]
    group_by: tuple[str, ...]
    conditions: tuple[str, ...]
    filtered_by: tuple[str, ...]
    limit: int | None


def read_saved_queries(raw: Iterable[Mapping[str, Any]]) -> dict[str, SavedQuery]:
    """The saved queries of a semantic manifest by name. One that is written in a form that we do not know is left out."""
    found = {}
    for item in raw:
        params = item["query_params"]
        group_by = [_group_by_name(text) for text in params.get("group_by") or ()]
        if None in group_by or not params.get("metrics"):
            continue
        filters = (params.get("where") or {}).get("where_filters") or ()
        conditions = tuple(str(one["where_sql_template"]) for one in filters)
        found[item["name"]] = SavedQuery(
            name=item["name"],
            label=item.get("label") or item["name"].replace("_", " "),
            description=item.get("description") or "",
            metrics=tuple(params["metrics"]),
            group_by=tuple(str(name) for name in group_by),
            conditions=conditions,
            filtered_by=tuple(
                sorted({name for text in conditions for name in NAMED_IN_TEXT.findall(text)})
            ),
            limit=params.get("limit"),
        )
    return dict(sorted(found.items()))


def names_in(definition: object) -> set[str]:
    """The names of dimensions, entities and metrics that the filters within a definition speak of."""
    return set(NAMED_IN_TEXT.findall(json.dumps(definition).replace('\\"', '"')))


def _group_by_name(text: str) -> str | None:
    """`TimeDimension('metric_time', 'day')` as `metric_time__day`, or None where it is in no form that we know."""
    found = _GROUP_BY.fullmatch(text)
    if found is None:
        return text if text.isidentifier() else None
    if found["part"]:
        return f"{found['name']}__{EXTRACT}{found['part']}"
    grain = found["grain"] or found["method"]
    return f"{found['name']}__{grain.lower()}" if grain else found["name"]
