"""OpenLineage events from Dagster: a sensor that sends what is on record and was not sent yet."""

from collections.abc import Collection, Mapping
from datetime import UTC, datetime

import dagster as dg
from dagster import DagsterInstance

from agent_resources.metrics_resource import GovernedMetricsResource
from semantic.catalog import Catalog
from semantic.errors import GovernedMetricsError
from semantic.ledger import Ledger
from semantic.openlineage.destination import Destination, destination
from semantic.openlineage.names import NAMESPACE, Names
from semantic.openlineage.run_events import Ending, RunElsewhere, RunEvents
from semantic.openlineage.sending import Sender

SENSOR = "openlineage_events"
# Dagster gives a tick a minute.
_SECONDS = 30
_ENDINGS = {
    dg.DagsterRunStatus.SUCCESS: Ending.SUCCEEDED,
    dg.DagsterRunStatus.FAILURE: Ending.FAILED,
    dg.DagsterRunStatus.CANCELED: Ending.CANCELLED,
}


def build_openlineage_sensor(
    place: str,
    *,
    namespace: str = NAMESPACE,
    tables: str = "",
    name: str = SENSOR,
    resource_key: str = "governed_metrics",
    minimum_interval_seconds: int = 30,
    default_status: dg.DefaultSensorStatus = dg.DefaultSensorStatus.RUNNING,
) -> dg.SensorDefinition:
    """A sensor that sends RunEvents of every run of an agent to a file, an address, or what the OpenLineage client is configured for (`configured`).

    `namespace` is that of agents and metrics; `tables` that of the warehouse, as other integrations call it. Where nothing could be sent, the tick says so,
    and the next one sends it.
    """

    @dg.sensor(
        name=name,
        minimum_interval_seconds=minimum_interval_seconds,
        default_status=default_status,
        required_resource_keys={resource_key},
        description="Sends OpenLineage events of what agents read and decided, from the record, each once.",
    )
    def sensor(context: dg.SensorEvaluationContext) -> dg.SkipReason:
        resource: GovernedMetricsResource = getattr(context.resources, resource_key)
        try:
            with resource.open(context.instance) as metrics:
                sent = build_sender(
                    metrics.ledger,
                    metrics.catalog,
                    destination(place),
                    context.instance,
                    namespace=namespace,
                    tables=tables,
                ).send(seconds=_SECONDS)
        except GovernedMetricsError as error:
            context.log.warning(str(error))
            return dg.SkipReason(str(error))
        if sent.is_elsewhere:
            return dg.SkipReason("Another process is sending")
        return dg.SkipReason(f"{sent.events} events of {sent.runs} runs were sent to {place}")

    return sensor


def build_sender(
    ledger: Ledger,
    catalog: Catalog,
    to: Destination,
    instance: DagsterInstance,
    *,
    namespace: str = NAMESPACE,
    tables: str = "",
) -> Sender:
    """Sends what is on record, with what a Dagster instance knows of the runs."""
    names = Names(namespace=namespace, tables=tables or tables_namespace(catalog))
    return Sender(
        ledger=ledger,
        events=RunEvents(catalog=catalog, names=names),
        destination=to,
        runs_elsewhere=lambda run_ids: dagster_runs(instance, run_ids),
    )


def tables_namespace(catalog: Catalog) -> str:
    """How a warehouse on DuckDB is called where nobody says how."""
    return f"duckdb://{catalog.database}"


def dagster_runs(instance: DagsterInstance, run_ids: Collection[str]) -> dict[str, RunElsewhere]:
    """What Dagster knows of some runs: those that it does not have are left out."""
    if not run_ids:
        return {}
    found: Mapping[str, dg.RunRecord] = {
        record.dagster_run.run_id: record
        for record in instance.get_run_records(dg.RunsFilter(run_ids=list(run_ids)))
    }
    return {run_id: _of(record) for run_id, record in found.items()}


def _of(record: dg.RunRecord) -> RunElsewhere:
    ended = record.end_time
    return RunElsewhere(
        job=record.dagster_run.job_name,
        ending=_ENDINGS.get(record.dagster_run.status),
        ended_at=datetime.fromtimestamp(ended, UTC) if ended is not None else None,
    )
