"""The platform's metrics in the catalogue of a dbt project: one manifest, so that one door, one policy and one engine serve both.

Their definitions are a dbt project too, in this folder; `semantic_manifest.json` is what dbt makes of it.
"""

import json
from collections.abc import Iterable, Mapping
from functools import cache
from pathlib import Path
from typing import Any

from semantic.errors import ManifestError

# The database that the platform's relations are in, beside that of the dbt project.
PLATFORM_DATABASE = "dagster_platform"
_DEFINITIONS = Path(__file__).with_name("semantic_manifest.json")


def with_platform_metrics(semantic: Mapping[str, Any], source: str) -> dict[str, Any]:
    """The semantic manifest of a dbt project with the platform's semantic models and metrics in it.

    Raises `ManifestError` where the project has names of its own among these.
    """
    ours = _definitions()
    for model in semantic.get("semantic_models") or ():
        if is_of_platform(str(model["node_relation"]["relation_name"])):
            raise ManifestError(
                f"The dbt project of {source} builds into a database {PLATFORM_DATABASE}, which is the platform's",
                hint="give the DuckDB file another name, or leave platform_metrics out",
            )
    for what, group in (("semantic model", "semantic_models"), ("metric", "metrics")):
        _refuse_same(what, _names(semantic.get(group)), _names(ours[group]), source)
    _refuse_same(
        "entity",
        _entities(semantic.get("semantic_models")),
        _entities(ours["semantic_models"]),
        source,
    )
    joined = {group: [*(semantic.get(group) or ()), *ours[group]] for group in ours}
    return {**semantic, **joined}


def is_of_platform(relation: str) -> bool:
    """Whether a relation is one that the platform tells, and dbt builds none of."""
    return relation.startswith(f'"{PLATFORM_DATABASE}".')


@cache
def _definitions() -> Mapping[str, Any]:
    found: Mapping[str, Any] = json.loads(_DEFINITIONS.read_text())
    return found


def _names(items: Iterable[Mapping[str, Any]] | None) -> frozenset[str]:
    return frozenset(item["name"] for item in items or ())


def _entities(models: Iterable[Mapping[str, Any]] | None) -> frozenset[str]:
    return frozenset(entity["name"] for model in models or () for entity in model["entities"] or ())


def _refuse_same(what: str, theirs: frozenset[str], ours: frozenset[str], source: str) -> None:
    both = sorted(theirs & ours)
    if both:
        raise ManifestError(
            f"The dbt project of {source} has the {what} '{both[0]}', which is one of the platform's",
            hint="give it another name, or leave platform_metrics out",
        )
