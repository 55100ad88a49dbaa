"""`governed-agents catalog`: what a reader can see."""

from typing import Annotated

import typer

from orchestration_assets.cli.output import print_json, print_table, print_text, say
from orchestration_assets.cli.place import Place
from semantic.catalog_text import catalog_text
from semantic.errors import GovernedMetricsError, did_you_mean
from semantic.governed_metrics import MetricDescription
from semantic.metric import Metric
from semantic.saved_query import SavedQuery


def catalog(
    context: typer.Context,
    reader: Annotated[str, typer.Option("--as", help="The reader who looks.")],
    metric: Annotated[str | None, typer.Argument(help="A metric, for its dimensions.")] = None,
    text: Annotated[bool, typer.Option("--text", help="Print it as models are given it.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """The metrics and saved queries that a reader may read, or one metric with its dimensions.

    Example: governed-agents catalog --as operations_watch

    Example: governed-agents catalog --as operations_watch --text

    Example: governed-agents catalog on_time_rate --as analyst_dl
    """
    place = Place.of(context)
    who = place.reader(reader)
    visible = place.metrics.readable_metrics(who)
    if metric is None and text:
        print_text(catalog_text(place.metrics.describe_all(who)))
        return
    if metric is None:
        _print_metrics(visible, reader, as_json=as_json)
        if not as_json:
            _print_saved_queries(place.metrics.saved_queries(who))
        return
    described = place.metrics.describe(who, metric)
    if described is None:
        names = [item.name for item in visible]
        raise GovernedMetricsError(
            f"Metric {metric!r} is not available to '{reader}'",
            hint=did_you_mean(metric, names) or f"available: {', '.join(names) or 'nothing'}",
        )
    if text:
        print_text(catalog_text([described]))
        return
    _print_metric(described, as_json=as_json)


def _print_saved_queries(saved: tuple[SavedQuery, ...]) -> None:
    if saved:
        print_table(
            ["saved query", "metrics", "by", "description"],
            [
                (item.name, ", ".join(item.metrics), ", ".join(item.group_by), item.description)
                for item in saved
            ],
        )


def _print_metrics(visible: tuple[Metric, ...], reader: str, *, as_json: bool) -> None:
    if as_json:
        print_json(_plain(item) for item in visible)
        return
    print_table(
        ["metric", "type", "unit", "tier", "owner", "description"],
        [(m.name, m.type.value, m.unit, m.tier, m.owner, m.description) for m in visible],
    )
    if not visible:
        say(f"'{reader}' is granted nothing.")


def _print_metric(described: MetricDescription, *, as_json: bool) -> None:
    if as_json:
        dimensions = [
            {
                "name": item.name,
                "kind": item.kind.value,
                "grains": list(item.grains),
                "date_parts": list(item.date_parts),
                "pii": item.pii,
            }
            for item in described.dimensions
        ]
        print_json([_plain(described.metric) | {"dimensions": dimensions}])
        return
    metric = described.metric
    say(f"{metric.name}: {metric.description}")
    say(f"definition {metric.definition_hash[:12]}, from {', '.join(_lineage(metric))}")
    print_table(
        ["group or filter by", "kind", "grains", "description"],
        [
            (item.name, item.kind.value, ", ".join(item.grains), item.description)
            for item in described.dimensions
        ],
    )


def _lineage(metric: Metric) -> list[str]:
    """The dbt models behind a metric, each with the columns of it that the measures are made of, where dbt knows them."""
    return [
        f"{unique_id}({', '.join(columns)})" if columns else unique_id
        for unique_id in metric.dbt_models
        for columns in [[column for owner, column in metric.columns if owner == unique_id]]
    ]


def _plain(metric: Metric) -> dict[str, object]:
    return {
        "metric": metric.name,
        "label": metric.label,
        "type": metric.type.value,
        "description": metric.description,
        "unit": metric.unit,
        "tier": metric.tier,
        "owner": metric.owner,
        "synonyms": list(metric.synonyms),
        "dbt_models": list(metric.dbt_models),
        "columns": [list(item) for item in metric.columns],
        "definition_hash": metric.definition_hash,
    }
