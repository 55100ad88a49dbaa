"""How metrics appear as assets. Subclass `MetricTranslator` to change keys, groups, owners or tags."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

import dagster as dg

from semantic.metric import Metric

_OWNER = re.compile(r"^[^@\s]+@[^@\s]+\.[^@\s]+$|^team:[A-Za-z0-9_-]+$")
_TAG_VALUE = re.compile(r"^[A-Za-z0-9_.-]{1,63}$")


@dataclass(frozen=True, kw_only=True)
class MetricTranslatorData:
    """What a translator is given for one metric: its definition, the asset that its data is served from, and whether Dagster itself tells it."""

    metric: Metric
    snapshot_key: dg.AssetKey
    is_of_platform: bool = False


class MetricTranslator:
    """Turns a metric into an asset spec: `metrics/<name>` below the governed snapshot.

    The prefix keeps a metric apart from a dbt model of the same name.
    """

    def get_asset_spec(self, data: MetricTranslatorData) -> dg.AssetSpec:
        metric = data.metric
        return dg.AssetSpec(
            key=dg.AssetKey(["metrics", metric.name]),
            deps=[data.snapshot_key],
            description=_description(metric),
            group_name="platform" if data.is_of_platform else "metrics",
            owners=valid_owners([metric.owner]),
            kinds={"semantic_model", "dagster" if data.is_of_platform else "dbt"},
            code_version=metric.definition_hash,
            tags=_tags(metric),
            skippable=True,
            metadata={
                "type": metric.type.value,
                "unit": metric.unit or "",
                "definition_hash": metric.definition_hash,
                "dbt_models": list(metric.dbt_models),
                "made_of": list(metric.inputs),
                "scope": f"total, and by day over the last {metric.scope.days} days"
                + (f", by {', '.join(metric.scope.dimensions)}" if metric.scope.dimensions else ""),
            },
        )


def valid_owners(owners: Sequence[str | None]) -> list[str]:
    """Those that Dagster takes: an e-mail address or `team:name`. Others would stop the code location from loading."""
    return [owner for owner in owners if owner and _OWNER.match(owner)]


def _description(metric: Metric) -> str:
    lines = [metric.description or metric.label]
    if metric.owner and not valid_owners([metric.owner]):
        lines.append(f"Owner: {metric.owner}")
    return "\n\n".join(lines)


def _tags(metric: Metric) -> dict[str, str]:
    return {"tier": metric.tier} if metric.tier and _TAG_VALUE.match(metric.tier) else {}
