"""Metrics as assets: specs that are pure, and the step that publishes their values."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

import dagster as dg

from agent_resources.metrics_resource import GovernedMetricsResource
from orchestration_assets.errors import told_to_dagster
from orchestration_assets.governed_snapshot import SNAPSHOT_KEY
from orchestration_assets.platform.platform_health import PLATFORM_KEY
from orchestration_assets.translator import MetricTranslator, MetricTranslatorData
from semantic.catalog import Catalog
from semantic.ledger.version_reads import VersionReader, version_readers
from semantic.metric import Metric
from semantic.policy import REFRESH
from semantic.snapshot_record import MetricState, SnapshotRecord, State

METRIC = "governed_agents/metric"
READABLE = "may_be_read"
_COLUMNS = _COLUMN_SCHEMA, _COLUMN_LINEAGE = "dagster/column_schema", "dagster/column_lineage"
_NO_KEYS: Mapping[str, dg.AssetKey] = {}


def build_metric_asset_specs(
    catalog: Catalog,
    *,
    translator: MetricTranslator | None = None,
    snapshot_key: dg.AssetKey = SNAPSHOT_KEY,
    dbt_keys: Mapping[str, dg.AssetKey] = _NO_KEYS,
) -> Sequence[dg.AssetSpec]:
    """One spec per metric, in the order of their names. Each says in its metadata which metric it stands for, and with `dbt_keys`, the assets of dbt
    models by unique id, from which of their columns it comes, as far as these are documented in dbt. The platform's metrics lie below `platform_health`.
    """
    asked = translator or MetricTranslator()
    return [
        asked.get_asset_spec(
            MetricTranslatorData(
                metric=metric,
                snapshot_key=PLATFORM_KEY
                if metric.name in catalog.platform_metrics
                else snapshot_key,
                is_of_platform=metric.name in catalog.platform_metrics,
            )
        ).merge_attributes(metadata={METRIC: metric.name, **_columns_of(metric, dbt_keys)})
        for metric in catalog.metrics.values()
    ]


def _columns_of(metric: Metric, dbt_keys: Mapping[str, dg.AssetKey]) -> dict[str, Any]:
    """The metric as a column, and the columns of dbt models that it comes from, as the UI shows column lineage."""
    deps = [
        dg.TableColumnDep(asset_key=dbt_keys[model], column_name=column)
        for model, column in metric.columns
        if model in dbt_keys
    ]
    if not deps:
        return {}
    column = dg.TableColumn(metric.name, "number", description=metric.description or None)
    return {
        _COLUMN_SCHEMA: dg.TableSchema([column]),
        _COLUMN_LINEAGE: dg.TableColumnLineage(deps_by_column={metric.name: deps}),
    }


def metric_keys(specs: Iterable[dg.AssetSpec]) -> dict[str, dg.AssetKey]:
    """By metric, the key of its asset."""
    return {str(spec.metadata[METRIC]): spec.key for spec in specs}


def metric_assets(
    *,
    catalog: Catalog,
    translator: MetricTranslator | None = None,
    snapshot_key: dg.AssetKey = SNAPSHOT_KEY,
    dbt_keys: Mapping[str, dg.AssetKey] = _NO_KEYS,
    name: str = "governed_metrics",
) -> Callable[[Callable[..., Iterator[object]]], dg.AssetsDefinition]:
    """Decorates a function that yields the events of metric assets, usually `publish_metrics`.

    @metric_assets(catalog=catalog)
    def my_metrics(context: dg.AssetExecutionContext, governed_metrics: GovernedMetricsResource):
        yield from publish_metrics(context, governed_metrics)
    """
    specs = build_metric_asset_specs(
        catalog, translator=translator, snapshot_key=snapshot_key, dbt_keys=dbt_keys
    )
    return dg.multi_asset(
        name=name,
        specs=specs,
        check_specs=[
            dg.AssetCheckSpec(
                READABLE,
                asset=spec.key,
                description="The checks of the dbt models behind this metric passed on the data that is served.",
            )
            for spec in specs
        ],
        can_subset=True,
    )


def publish_metrics(
    context: dg.AssetExecutionContext, resource: GovernedMetricsResource
) -> Iterator[dg.MaterializeResult[None] | dg.AssetCheckResult]:
    """Materializes each selected metric with the value and data version of the current snapshot.

    A metric that may not be read is not materialized and its check fails; the others go on. Where none of the selected may be
    read, the step fails with the reason.
    """
    with told_to_dagster(), resource.open(context.instance) as metrics:
        record, catalog = metrics.snapshots.current(), metrics.catalog
        versions = {name: state.data_version for name, state in record.metrics.items()}
        readers = version_readers(metrics.ledger, versions, without_agent=REFRESH)
    closed: list[str] = []
    for spec in context.assets_def.specs:
        name = str(spec.metadata[METRIC])
        metric, state = catalog.metrics.get(name), record.metrics.get(name)
        reason = closed_because(metric, state)
        if spec.key in context.selected_asset_keys:
            if reason is None and metric is not None and state is not None:
                yield _materialized(spec, metric, state, record, readers.get(name, ()))
            else:
                closed.append(f"{name}: {reason}")
        if dg.AssetCheckKey(spec.key, READABLE) in context.selected_asset_check_keys:
            yield _checked(spec.key, reason, record)
    for line in closed:
        context.log.warning(f"Not materialized: {line}")
    if closed and len(closed) == len(context.selected_asset_keys):
        raise dg.Failure(description="\n".join(closed), allow_retries=False)


def closed_because(metric: Metric | None, state: MetricState | None) -> str | None:
    """Why a metric may not be read from this snapshot, or None where it may."""
    if metric is None:
        return "it is no longer in the dbt project; reload the code location"
    if state is None or state.definition_hash != metric.definition_hash:
        return "its definition is not the one the snapshot was made with; materialize governed_snapshot"
    return None if state.state is State.PASSING else state.why


def _checked(key: dg.AssetKey, reason: str | None, record: SnapshotRecord) -> dg.AssetCheckResult:
    return dg.AssetCheckResult(
        asset_key=key,
        check_name=READABLE,
        passed=reason is None,
        metadata={"snapshot": record.version, **({"reason": reason} if reason else {})},
    )


def _materialized(
    spec: dg.AssetSpec,
    metric: Metric,
    state: MetricState,
    record: SnapshotRecord,
    readers: Sequence[VersionReader],
) -> dg.MaterializeResult[None]:
    numbers = {"value": state.value, "value_last_day": state.value_last_day}
    columns = {name: spec.metadata[name] for name in _COLUMNS if name in spec.metadata}
    return dg.MaterializeResult(
        asset_key=spec.key,
        data_version=dg.DataVersion(state.data_version),
        metadata={
            # Of its newest materialization the UI shows where a column comes from.
            **columns,
            **{name: float(text) for name, text in numbers.items() if text is not None},
            "unit": metric.unit or "",
            "data_until": str(state.last_day) if state.last_day else "",
            "stands_since": state.since,
            "readers_of_this_version": len(readers),
            "read_at_this_version_by": dg.MetadataValue.table(
                [
                    dg.TableRecord(
                        {
                            "reader": reader.agent,
                            "reads": reader.reads,
                            "last (UTC)": reader.last_at[:19].replace("T", " "),
                        }
                    )
                    for reader in readers
                ],
                schema=dg.TableSchema(
                    [
                        dg.TableColumn("reader", "string"),
                        dg.TableColumn("reads", "int"),
                        dg.TableColumn("last (UTC)", "string"),
                    ]
                ),
            ),
            "snapshot": record.version,
            "series": dg.MetadataValue.table(
                [
                    dg.TableRecord({"day": day, "value": None if value is None else float(value)})
                    for day, value in state.series
                ],
                schema=dg.TableSchema(
                    [dg.TableColumn("day", "string"), dg.TableColumn("value", "float")]
                ),
            ),
        },
    )
