"""`access_report`: who used what, as an asset that is read in the Dagster UI."""

from collections.abc import Mapping, Sequence
from typing import Any

import dagster as dg

from agent_resources.metrics_resource import GovernedMetricsResource
from orchestration_assets.access_map import access_map, as_markdown
from orchestration_assets.errors import told_to_dagster
from orchestration_assets.governed_snapshot import SNAPSHOT_KEY
from semantic.ledger.budgets import MICROS
from semantic.lineage.access import (
    AccessReport,
    access_report,
    refused_as_stale,
    refused_by_reason,
)
from semantic.lineage.granted import granted_metrics

ACCESS_REPORT = dg.AssetKey("access_report")
DAYS = 30
EVERY_DAY = "0 6 * * *"
_MOST_ROWS = 200


class AccessReportConfig(dg.Config):
    """`days`: how many days the report looks back over, today included."""

    days: int = DAYS


def build_access_report(
    *,
    resource_key: str = "governed_metrics",
    key: dg.AssetKey = ACCESS_REPORT,
    default_status: dg.DefaultScheduleStatus = dg.DefaultScheduleStatus.RUNNING,
    cron: str = EVERY_DAY,
) -> dg.Definitions:
    """The asset, and a schedule that refreshes it every morning, UTC. Its metadata is the report; it returns no value."""

    @dg.asset(
        key=key,
        deps=[SNAPSHOT_KEY],
        group_name="governance",
        kinds={"report"},
        description="Who read which governed metrics on which days: what is read most and never, refused, granted and unused, stale, and what it took.",
        required_resource_keys={resource_key},
    )
    # Where a context is annotated, Dagster knows this result by its plain class only.
    def report(
        context: dg.AssetExecutionContext, config: AccessReportConfig
    ) -> dg.MaterializeResult:  # type: ignore[type-arg]
        resource: GovernedMetricsResource = getattr(context.resources, resource_key)
        with told_to_dagster(), resource.open(context.instance) as metrics:
            made = access_report(
                metrics.ledger,
                metrics.catalog.metrics,
                granted_metrics(metrics.ledger, metrics.policy, metrics.catalog.metrics),
                until=metrics.now(),
                days=config.days,
            )
        return dg.MaterializeResult(metadata=_told(made))

    schedule = dg.ScheduleDefinition(
        name=f"{key.path[-1]}_every_day",
        target=dg.AssetSelection.assets(key),
        cron_schedule=cron,
        execution_timezone="UTC",
        default_status=default_status,
    )
    return dg.Definitions(assets=[report], schedules=[schedule])


def _told(report: AccessReport) -> Mapping[str, Any]:
    costs = [it.cost_micros for it in report.spent]
    return {
        "access_map": dg.MetadataValue.md(as_markdown(access_map(report))),
        "from": report.first.isoformat(),
        "to": report.last.isoformat(),
        "reads": report.reads,
        "refused": report.refused,
        "readers": len(report.agents),
        "granted_and_unused": sum(map(len, report.unused.values())),
        "metrics_never_read": len(report.never_read),
        "stale_answers": sum(report.stale.values()),
        "refused_as_stale": refused_as_stale(report),
        "tokens": sum(it.tokens for it in report.spent),
        **({} if None in costs else {"cost_usd": sum(it or 0 for it in costs) / MICROS}),
        "most_read": _table(
            {"metric": "string", "reads": "int", "readers": "int"}, report.most_read()
        ),
        "never_read": _table({"metric": "string"}, [(name,) for name in report.never_read]),
        "unused": _table(
            {"agent": "string", "metric": "string"},
            [(agent, name) for agent, names in report.unused.items() for name in names],
        ),
        "refusals": _table(
            {"agent": "string", "metric": "string", "reason": "string", "reads": "int"},
            [(*place, count) for place, count in refused_by_reason(report).items()],
        ),
        "stale": _table({"agent": "string", "answers": "int"}, [*report.stale.items()]),
        "spent": _table(
            {"agent": "string", "runs": "int", "tokens": "int", "cost_usd": "string"},
            [
                (
                    it.agent,
                    it.runs,
                    it.tokens,
                    "unknown" if it.cost_micros is None else f"{it.cost_micros / MICROS:.4f}",
                )
                for it in report.spent
            ],
        ),
    }


def _table(columns: Mapping[str, str], rows: Sequence[Sequence[Any]]) -> dg.TableMetadataValue:
    return dg.MetadataValue.table(
        [dg.TableRecord(dict(zip(columns, row, strict=True))) for row in rows[:_MOST_ROWS]],
        schema=dg.TableSchema([dg.TableColumn(name, kind) for name, kind in columns.items()]),
    )
