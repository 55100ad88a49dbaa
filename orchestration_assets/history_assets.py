"""Agents on the past: a partition for each day, as the data was known then. The way to try an agent on history, outside triggers and approvals."""

from collections.abc import Mapping, Sequence
from datetime import date
from functools import partial

import dagster as dg

from agent_resources.agent import AgentDefinition
from agent_resources.agent_resource import AgentResource
from agent_resources.errors import GateClosed
from orchestration_assets.agent_materialization import materialized
from orchestration_assets.agent_run_place import has_done, read_context
from orchestration_assets.errors import told_to_dagster
from orchestration_assets.known_past import as_known_on
from orchestration_assets.other_policy import refuse_other_policy
from orchestration_assets.read_events import AGENT_TAG
from orchestration_assets.translator import valid_owners
from orchestration_assets.triggers.gates import Gate, closed_in_snapshot, first_told
from semantic.governed_metrics import GovernedMetrics
from semantic.snapshot_record import SnapshotRecord


def history_key(agent: str) -> dg.AssetKey:
    """The key of the asset of an agent on the past."""
    return dg.AssetKey(["history", agent])


def build_history_asset(
    definition: AgentDefinition,
    *,
    metric_keys: Mapping[str, dg.AssetKey],
    readable: Sequence[str],
    resource_key: str,
    group_name: str = "history",
) -> dg.AssetsDefinition:
    """The asset. Each of its partitions is a day; a backfill of Dagster plays as many as it names. `resource_key` names the agent's `AgentResource`.

    What it decides is on record as history: no trigger, memory, recall or approval takes it for a decision of the agent, and nothing that it would do outside is
    proposed. Its reads are on record like any others; Dagster is told of them in the materialization alone.
    """
    asked = definition.history
    assert asked is not None

    @dg.asset(
        key=history_key(definition.name),
        partitions_def=dg.DailyPartitionsDefinition(
            start_date=asked.start.isoformat(),
            end_date=asked.end.isoformat() if asked.end else None,
        ),
        deps=[metric_keys[name] for name in readable if name in metric_keys],
        group_name=group_name,
        kinds={"agent", "report"},
        description=f"'{definition.name}' on the past, a day at a time, as the data was known then.",
        owners=valid_owners([definition.owner]),
        code_version=definition.hash,
        required_resource_keys={resource_key},
        op_tags={AGENT_TAG: definition.name},
        pool=f"history_{definition.name}",
    )
    def history(context: dg.AssetExecutionContext) -> dg.MaterializeResult[None]:
        resource: AgentResource = getattr(context.resources, resource_key)
        day = date.fromisoformat(context.partition_key)
        with told_to_dagster(), resource.metrics.open(context.instance) as metrics:
            refuse_other_policy(definition.name, metrics)
            record = as_known_on(metrics, day, asked.as_known)
            _refuse_closed(definition, readable, metrics, record)
            run = resource.run(
                metrics,
                read_context(context, purpose=f"history {day}"),
                snapshot=record,
                partition=context.partition_key,
                is_done=partial(has_done, context),
                played=day,
            )
            metrics.ledger.sweep()
            checkpoint = metrics.ledger.seal()
        return materialized(
            run,
            None,
            metric_keys,
            checkpoint,
            run_id=context.run.run_id,
            as_known=f"{asked.as_known} {day}, snapshot {record.version}",
        )

    return history


def _refuse_closed(
    definition: AgentDefinition,
    readable: Sequence[str],
    metrics: GovernedMetrics,
    record: SnapshotRecord,
) -> None:
    """Raises `GateClosed` where the checks of any metric had not passed. How old the data is, is the point of it."""
    closed = closed_in_snapshot(readable, metrics, record)
    kept = {name: it for name, it in closed.items() if it.gate is not Gate.FRESHNESS}
    reason = first_told(readable, kept)
    if reason is not None:
        raise GateClosed(
            f"Agent '{definition.name}' is not played, because {reason}",
            hint="mend the data and materialize governed_snapshot",
        )
