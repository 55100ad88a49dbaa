"""What a change of a dbt project does to its metrics: which mean something else, by which path, and of which only the code is another."""

import re
from collections.abc import Iterator, Mapping
from typing import Any

from semantic.catalog import Catalog
from semantic.dbt_manifest import meaning_of
from semantic.errors import ManifestError
from semantic.lineage.change import Change, ChangedMetric, Step
from semantic.lineage.meaning import Meanings
from semantic.lineage.sql_query import CODE, ROWS

_NONE = "(nothing)"
_LONGEST = 400
# Of a unique id, what people do not say.
_PREFIX = re.compile(r"\b(?:model|source|seed|snapshot)\.\w+\.")


def changed_metrics(before: Catalog, after: Catalog) -> list[ChangedMetric]:
    """The metrics that one catalogue has otherwise than the other, in the order of their names; those that are equal are left out.

    A meaning is the definition of a metric and all SQL that its figures come from, so far as that is told by columns: a new comment, another name of a
    CTE, or a column that it does not use change code only. Raises `ManifestError` where these are two projects.
    """
    if before.project != after.project:
        raise ManifestError(
            f"These are two dbt projects, '{before.project}' and '{after.project}'",
            hint="compare two states of one project",
        )
    meanings = Meanings(before), Meanings(after)
    names = sorted({*before.metrics, *after.metrics})
    return [it for name in names if (it := _changed(name, before, after, meanings)) is not None]


def _changed(
    name: str, before: Catalog, after: Catalog, meanings: tuple[Meanings, Meanings]
) -> ChangedMetric | None:
    if name not in before.metrics:
        return ChangedMetric(name=name, change=Change.ADDED)
    if name not in after.metrics:
        return ChangedMetric(name=name, change=Change.REMOVED)
    was, now = (it.of(at.metrics[name]) for it, at in zip(meanings, (before, after), strict=True))
    if was.hash != now.hash:
        definition = (
            list(_definition_path(name, before, after)) if was.definition != now.definition else []
        )
        return ChangedMetric(
            name=name,
            change=Change.MEANING,
            path=(*definition, *_column_path(was.parts, now.parts)),
        )
    code = tuple(_code_path(name, before, after))
    return ChangedMetric(name=name, change=Change.CODE, path=code) if code else None


def _definition_path(name: str, before: Catalog, after: Catalog) -> Iterator[Step]:
    """Where the definition of a metric says something else, the metrics that it is made of by their own definitions."""
    was, now = (dict(_leaves(meaning_of(catalog, name))) for catalog in (before, after))
    for place in dict.fromkeys((*was, *now)):
        if was.get(place) != now.get(place):
            yield Step(
                what=f"definition of {name}, {place}",
                before=_shown(was.get(place)),
                after=_shown(now.get(place)),
            )


def _column_path(
    was: Mapping[tuple[str, str], str], now: Mapping[tuple[str, str], str]
) -> Iterator[Step]:
    for model, column in sorted({*was, *now}):
        texts = was.get((model, column)), now.get((model, column))
        if texts[0] != texts[1]:
            label = model.split(".", 2)[-1]
            kinds = {ROWS: f"rows of {label}", CODE: f"code of {label}"}
            what = kinds.get(column, f"column {column} of {label}")
            yield Step(what=what, before=_shown(texts[0]), after=_shown(texts[1]))


def _code_path(name: str, before: Catalog, after: Catalog) -> Iterator[Step]:
    """The models above a metric whose code is another."""
    above = [catalog.upstream(catalog.metrics[name].dbt_models) for catalog in (before, after)]
    for unique_id in sorted(above[0] | above[1]):
        nodes = [catalog.dbt_nodes.get(unique_id) for catalog in (before, after)]
        codes = [node.code if node else None for node in nodes]
        if codes[0] != codes[1]:
            what = f"code of {unique_id.split('.', 2)[-1]}"
            yield Step(what=what, before="", after="")


def _leaves(value: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    """What stands in a JSON value, each by where."""
    match value:
        case Mapping():
            for key, item in value.items():
                yield from _leaves(item, f"{path}.{key}" if path else str(key))
        case list() | tuple():
            for place, item in enumerate(value):
                yield from _leaves(item, f"{path}.{place}")
        case _:
            yield path, value


def _shown(value: object) -> str:
    text = _NONE if value is None else _PREFIX.sub("", str(value))
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 1]}…"
