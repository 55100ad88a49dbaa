"""`governed-agents catalog`: what a reader can see."""

from typing import Annotated

import typer

from orchestration_assets.cli.output import print_json, print_table, say
from orchestration_assets.cli.place import Place
from semantic.errors import GovernedMetricsError, did_you_mean
from semantic.governed_metrics import MetricDescription
from semantic.metric import Metric


def catalog(
    reader: Annotated[str, typer.Option("--as", help="The reader who looks.")],
    metric: Annotated[str | None, typer.Argument(help="A metric, for its dimensions.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """The metrics that a reader may read, or one of them with its dimensions.

    Example: governed-agents catalog --as operations_watch

    Example: governed-agents catalog on_time_rate --as analyst_dl
    """
    place = Place.find()
    who = place.reader(reader)
    visible = place.metrics.readable_metrics(who)
    if metric is None:
        _print_metrics(visible, reader, as_json=as_json)
        return
    described = place.metrics.describe(who, metric)
    if described is None:
        names = [item.name for item in visible]
        raise GovernedMetricsError(
            f"Metric {metric!r} is not available to '{reader}'",
            hint=did_you_mean(metric, names) or f"available: {', '.join(names) or 'nothing'}",
        )
    _print_metric(described, as_json=as_json)


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
                "pii": item.pii,
            }
            for item in described.dimensions
        ]
        print_json([_plain(described.metric) | {"dimensions": dimensions}])
        return
    metric = described.metric
    say(f"{metric.name}: {metric.description}")
    print_table(
        ["group or filter by", "kind", "grains", "description"],
        [
            (item.name, item.kind.value, ", ".join(item.grains), item.description)
            for item in described.dimensions
        ],
    )


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
        "definition_hash": metric.definition_hash,
    }
