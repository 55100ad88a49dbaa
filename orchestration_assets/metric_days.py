"""`metrics_by_day`: the metrics on the past, a partition for each day, as the data was known then."""

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Literal, Self

import dagster as dg
from pydantic import BaseModel, ConfigDict, Field, model_validator

from agent_resources.metrics_resource import GovernedMetricsResource
from orchestration_assets.errors import told_to_dagster
from orchestration_assets.known_past import as_known_on
from orchestration_assets.other_policy import refuse_unpublished
from orchestration_assets.read_events import checkpoint_metadata
from semantic.answer import MetricAnswer, Reason
from semantic.errors import LedgerUnavailable
from semantic.governed_metrics import GovernedMetrics, ReadSession
from semantic.ledger import ReadContext
from semantic.metric import METRIC_TIME, Metric
from semantic.policy import REFRESH, Permit, Reader

METRIC_DAYS_KEY = dg.AssetKey("metrics_by_day")


class MetricDays(BaseModel, dg.Resolvable):
    """The days of which the metrics can be told, from `start` up to `end`, which is not included; without an end up to yesterday. As the data was known: `covering`, that of now as if it
    ended on the day, or `snapshot`, the newest that was published by then and is kept.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    start: str = Field(description="The first day, as 2013-01-01")
    end: str | None = Field(default=None, description="The day after the last")
    as_known: Literal["covering", "snapshot"] = "covering"

    @model_validator(mode="after")
    def _has_days(self) -> Self:
        first, end = _day(self.start), self.end and _day(self.end)
        if end and end <= first:
            raise ValueError(f"ends on {self.end}, which is not after {self.start}")
        return self


def _day(written: str) -> date:
    try:
        return date.fromisoformat(written)
    except ValueError as error:
        raise ValueError(f"'{written}' is no day; write it as 2013-01-31") from error


@dataclass(frozen=True, kw_only=True)
class _OfDay:
    """A metric on a day: its value as a number, None without one, and why there is none where it was refused."""

    name: str
    unit: str
    value: float | None
    read_id: str
    why: str = ""


def build_metric_days(
    days: MetricDays, metric_keys: Mapping[str, dg.AssetKey], *, resource_key: str
) -> dg.AssetsDefinition:
    """The asset. A backfill of Dagster tells as many days as it names; each value is read through the door as `refresh`, and on record."""

    @dg.asset(
        key=METRIC_DAYS_KEY,
        partitions_def=dg.DailyPartitionsDefinition(start_date=days.start, end_date=days.end),
        deps=sorted(metric_keys.values()),
        group_name="history",
        kinds={"semantic_model"},
        description="What every metric was on a day, as the data was known then.",
        required_resource_keys={resource_key},
        pool="metrics_by_day",
    )
    def metrics_by_day(context: dg.AssetExecutionContext) -> dg.MaterializeResult[None]:
        resource: GovernedMetricsResource = getattr(context.resources, resource_key)
        day = date.fromisoformat(context.partition_key)
        place = ReadContext(
            run_id=context.run.run_id,
            root_run_id=context.run.root_run_id or context.run.run_id,
            step_key=METRIC_DAYS_KEY.to_user_string(),
            purpose=f"history {day}",
        )
        with told_to_dagster(), resource.open(context.instance) as metrics:
            refuse_unpublished(metrics)
            record = as_known_on(metrics, day, days.as_known)
            with metrics.session(Reader(name=REFRESH), place, snapshot=record) as session:
                found = list(_of_day(metrics, session, day))
            metrics.ledger.sweep()
            checkpoint = metrics.ledger.seal()
        known = {it.name: it.value for it in found if it.value is not None}
        written = json.dumps(known, sort_keys=True)
        return dg.MaterializeResult(
            data_version=dg.DataVersion(hashlib.sha256(written.encode()).hexdigest()[:32]),
            metadata={
                **known,
                "as_known": f"{days.as_known} {day}, snapshot {record.version}",
                "metrics": _table(found),
                **checkpoint_metadata(checkpoint),
            },
        )

    return metrics_by_day


def _of_day(metrics: GovernedMetrics, session: ReadSession, day: date) -> Iterator[_OfDay]:
    """Each metric of which the refresh sees all rows: what is on a page, everybody sees who has the UI. Raises `LedgerUnavailable`."""
    for metric in metrics.catalog.metrics.values():
        permit = metrics.policy.decide(session.reader, metric)
        if not isinstance(permit, Permit) or permit.rows or not metric.time_names:
            continue
        yield _value(
            session, metric, day, by_day=f"{METRIC_TIME}__day" if metric.needs_time else None
        )


def _value(session: ReadSession, metric: Metric, day: date, *, by_day: str | None) -> _OfDay:
    answer = session.query(
        {
            "metrics": [metric.name],
            "group_by": [by_day] if by_day else [],
            "time_range": [day.isoformat(), day.isoformat()],
        }
    )
    if isinstance(answer, MetricAnswer):
        cells = [row[-1] for row in answer.rows if row[-1] is not None]
        value = float(cells[0]) if cells and metric.has_numbers else None
        return _OfDay(name=metric.name, unit=metric.unit or "", value=value, read_id=answer.read_id)
    if answer.reason is Reason.LEDGER_UNAVAILABLE:
        raise LedgerUnavailable(answer.message, hint=answer.hint)
    return _OfDay(
        name=metric.name,
        unit=metric.unit or "",
        value=None,
        read_id=answer.read_id or "",
        why=answer.message,
    )


def _table(found: list[_OfDay]) -> dg.TableMetadataValue:
    rows = [
        dg.TableRecord(
            {
                "metric": it.name,
                "value": it.value,
                "unit": it.unit,
                "read_id": it.read_id,
                "refused": it.why,
            }
        )
        for it in found
    ]
    columns = [
        dg.TableColumn(name, "float" if name == "value" else "string")
        for name in ("metric", "value", "unit", "read_id", "refused")
    ]
    return dg.MetadataValue.table(rows, schema=dg.TableSchema(columns))
