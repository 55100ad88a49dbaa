"""Agents as assets: one run is one materialization, below every metric that the agent may read."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import dagster as dg
from dagster import DagsterInstance

from agent_resources.agent import AgentDefinition
from agent_resources.agent_resource import AgentResource
from agent_resources.agent_run import AgentRun, ReadOfRun, Run
from agent_resources.errors import GateClosed
from orchestration_assets.agent_key import agent_asset_key
from orchestration_assets.agent_materialization import (
    BASIS,
    LIMITED,
    STATE,
    materialized,
    recent_quality,
)
from orchestration_assets.definitions_check import (
    check_definitions_current,
    definitions_current_spec,
)
from orchestration_assets.errors import told_to_dagster
from orchestration_assets.governed_snapshot import SNAPSHOT_KEY
from orchestration_assets.grounded_check import check_grounded, grounded_spec
from orchestration_assets.metric_assets import closed_because
from orchestration_assets.read_events import (
    AGENT_TAG,
    ran_tag,
    read_observations,
    read_tags,
    standing_provenance,
)
from orchestration_assets.recalled_assets import check_not_recalled, not_recalled_spec
from orchestration_assets.translator import valid_owners
from semantic.answer import Reason
from semantic.catalog import Catalog
from semantic.errors import LedgerUnavailable
from semantic.governed_metrics import GovernedMetrics
from semantic.ledger import ReadContext
from semantic.ledger.recalls import recalls
from semantic.ledger.run_decisions import decisions_with
from semantic.policy import Permit, Policy, Reader
from semantic.snapshot_record import SnapshotRecord

AGENT = "governed_agents/name"
_DONE = "SUCCESS"
_decided: dict[Reader, tuple[tuple[str, str], dict[str, str | None]]] = {}


@dataclass(frozen=True, kw_only=True)
class Basis:
    """What an agent may read, at the versions of one snapshot: by metric the data version, the version of the rows that the agent sees (None where that
    was not measured), and the hash of its meaning down to the sources.
    """

    snapshot: str
    versions: Mapping[str, tuple[str, str | None]]
    since: Mapping[str, str]
    meanings: Mapping[str, str]

    def to_json(self) -> dict[str, Any]:
        return {
            "snapshot": self.snapshot,
            "versions": {name: list(pair) for name, pair in self.versions.items()},
            "meanings": dict(self.meanings),
        }


@dataclass(frozen=True, kw_only=True)
class AgentHistory:
    """What Dagster knows of an agent's past: the basis of its last materialization, as `Basis.to_json` writes it, the last run that made
    it or was to make it, and the run of the last materialization where that ended at a limit.
    """

    handled: Mapping[str, Any] | None
    last_run_id: str | None
    limited_run_id: str | None = None


class AgentConfig(dg.Config):
    """What a person may give a run: a question in place of the agent's own task."""

    question: str = ""


def readable_names(
    definition: AgentDefinition, policy: Policy, catalog: Catalog
) -> tuple[str, ...]:
    """The metrics that the agent both asks for and is granted, by name."""
    return tuple(
        name
        for name, metric in catalog.metrics.items()
        if policy.is_readable(definition.reader, metric)
    )


def read_basis(
    reader: Reader, names: Sequence[str], metrics: GovernedMetrics, record: SnapshotRecord
) -> Basis:
    """The versions of what a reader may read in a snapshot."""
    versions: dict[str, tuple[str, str | None]] = {}
    since: dict[str, str] = {}
    for name, rows in _rows_seen(reader, names, metrics):
        state = record.metrics.get(name)
        if state is None or rows is None:
            continue
        if not rows:
            versions[name] = (state.data_version, state.data_version)
            since[name] = state.since
            continue
        as_read = record.as_read.get(rows, {}).get(name)
        versions[name] = (state.data_version, as_read.data_version if as_read else None)
        since[name] = as_read.since if as_read else state.since
    meanings = {name: record.meanings[name] for name in versions if name in record.meanings}
    return Basis(snapshot=record.version, versions=versions, since=since, meanings=meanings)


def _rows_seen(
    reader: Reader, names: Sequence[str], metrics: GovernedMetrics
) -> Iterator[tuple[str, str | None]]:
    """By metric the `Permit.rows_key` of the reader, or None where it may not read it.

    A policy decides the same as long as it is the same, and a sensor asks at every tick: what it decided last is kept.
    """
    ruled = (metrics.policy.hash, metrics.catalog.manifest_hash)
    of_reader, known = _decided.get(reader, (ruled, {}))
    if of_reader != ruled:
        known = {}
    for name in names:
        if name not in known:
            metric = metrics.catalog.metrics.get(name)
            permit = metrics.policy.decide(reader, metric) if metric else None
            known[name] = permit.rows_key if isinstance(permit, Permit) else None
        yield name, known[name]
    _decided[reader] = (ruled, known)


def closed_gate(
    names: Sequence[str], metrics: GovernedMetrics, record: SnapshotRecord
) -> str | None:
    """Why an agent that may read these metrics cannot run on a snapshot, or None where it can."""
    for name in names:
        reason = closed_because(metrics.catalog.metrics.get(name), record.metrics.get(name))
        if reason is not None:
            return f"'{name}' may not be read: {reason}"
    return None


def read_histories(
    instance: DagsterInstance, keys: Sequence[dg.AssetKey]
) -> dict[dg.AssetKey, AgentHistory]:
    """The past of each of these agent assets that has one. One look-up for all of them."""
    found: dict[dg.AssetKey, AgentHistory] = {}
    for record in instance.get_asset_records(list(keys)):
        latest = record.asset_entry.last_materialization
        materialization = latest.asset_materialization if latest else None
        metadata = materialization.metadata if materialization else {}
        handled: Any = metadata[BASIS].value if BASIS in metadata else None
        is_limited = STATE in metadata and metadata[STATE].value == LIMITED
        found[record.asset_entry.asset_key] = AgentHistory(
            handled=handled,
            last_run_id=record.asset_entry.last_run_id,
            limited_run_id=latest.run_id if latest and is_limited else None,
        )
    return found


def build_agent_asset(
    definition: AgentDefinition,
    *,
    metric_keys: Mapping[str, dg.AssetKey],
    readable: Sequence[str],
    resource_key: str,
    key: dg.AssetKey | None = None,
    group_name: str = "agents",
) -> dg.AssetsDefinition:
    """The asset of one agent. `readable` are the metrics that it asks for and is granted: its dependencies.

    `resource_key` names its `AgentResource`. The asset has no partitions and returns no value; what it decided is in the
    metadata of its materialization. A run that answered a person's question, or ended at a limit, has not done the agent's own task, and hands
    on the basis of the run before it.
    """
    agent_key = key or agent_asset_key(definition.name)

    @dg.asset(
        key=agent_key,
        deps=[
            *([metric_keys[name] for name in readable if name in metric_keys] or [SNAPSHOT_KEY]),
            *(agent_asset_key(name) for name in definition.memory.decisions_of),
        ],
        group_name=group_name,
        kinds={"agent", "report"},
        description=definition.description,
        owners=valid_owners(
            [definition.owner, f"team:{definition.team}" if definition.team else None]
        ),
        tags=definition.tags,
        code_version=definition.hash,
        metadata={
            AGENT: definition.name,
            "model": definition.model or "",
            "asks_for": list(definition.metrics),
            "may_read": list(readable),
            **(
                {"tools": [f"{it.name} ({it.effect})" for it in definition.tools]}
                if definition.tools
                else {}
            ),
            "instructions": dg.MetadataValue.md(definition.instructions),
        },
        required_resource_keys={resource_key},
        op_tags={AGENT_TAG: definition.name},
        pool=f"agent_{definition.name}",
        check_specs=[
            grounded_spec(definition, agent_key),
            not_recalled_spec(agent_key),
            definitions_current_spec(agent_key),
        ],
    )
    # Where an asset has checks, Dagster knows this result by its plain class only.
    def agent(context: dg.AssetExecutionContext, config: AgentConfig) -> dg.MaterializeResult:  # type: ignore[type-arg]
        resource: AgentResource = getattr(context.resources, resource_key)
        context.instance.add_run_tags(context.run.run_id, {ran_tag(definition.name): "started"})
        reads: list[ReadOfRun] = []
        with told_to_dagster(), resource.metrics.open(context.instance) as metrics:
            record = metrics.snapshots.current()
            _refuse_closed_gate(definition, readable, metrics, record)
            try:
                run = resource.run(
                    metrics,
                    _read_context(context),
                    question=config.question or None,
                    snapshot=record,
                    on_read=reads.append,
                    is_done=partial(_has_done, context),
                )
            finally:
                _report_reads(context, reads, definition.name, agent_key, metric_keys)
            _refuse_unrecorded(run)
            if run.snapshot != record.version:
                record = metrics.snapshots.record(run.snapshot)
            basis = read_basis(definition.reader, readable, metrics, record)
            quality = recent_quality(metrics.ledger, definition.name)
            decided = [run.decision_id] if isinstance(run, AgentRun) else []
            decision = next(iter(decisions_with(metrics.ledger, decided)), None)
            recalled = recalls(metrics.ledger)
            metrics.ledger.sweep()
            checkpoint = metrics.ledger.seal()
        history = read_histories(context.instance, [agent_key]).get(agent_key)
        before = history.handled if history else None
        has_done_its_task = isinstance(run, AgentRun) and not config.question
        return materialized(
            run,
            basis.to_json() if has_done_its_task else before,
            metric_keys,
            checkpoint,
            run_id=context.run.run_id,
            quality=quality,
            checks=[
                check_grounded(definition, run, agent_key),
                check_not_recalled(run, decision, recalled, agent_key),
                check_definitions_current(agent_key),
            ],
        )

    return agent


def _refuse_closed_gate(
    definition: AgentDefinition,
    readable: Sequence[str],
    metrics: GovernedMetrics,
    record: SnapshotRecord,
) -> None:
    """Raises `GateClosed` where any metric that the agent may read may not be read now.

    Asked again in the run, and not only by the sensor, because a person can press Materialize.
    """
    if metrics.ledger.current_policy_hash() != metrics.policy.hash:
        raise GateClosed(
            f"Agent '{definition.name}' does not run, because the policy of this process is not the published one",
            hint="the owner of the policy publishes it: materialize governed_snapshot",
        )
    reason = closed_gate(readable, metrics, record)
    if reason is not None:
        raise GateClosed(
            f"Agent '{definition.name}' does not run, because {reason}",
            hint="mend the data and materialize governed_snapshot",
        )


def _report_reads(
    context: dg.AssetExecutionContext,
    reads: Sequence[ReadOfRun],
    agent: str,
    agent_key: dg.AssetKey,
    metric_keys: Mapping[str, dg.AssetKey],
) -> None:
    """Tells Dagster what was read, also by a run that then fails. One run may hold several agents: what one of them was
    given is not taken back by a refusal of another.
    """
    run_id = context.run.run_id
    stored = context.instance.get_run_by_id(run_id)
    before = stored.tags if stored else {}
    tags = {
        tag: outcome
        for tag, outcome in read_tags(reads, metric_keys).items()
        if before.get(tag) != "allowed"
    }
    context.instance.add_run_tags(run_id, tags)
    standing = standing_provenance(context.instance, metric_keys.values())
    for observation in read_observations(reads, agent, agent_key, metric_keys, run_id, standing):
        context.log_event(observation)


def _refuse_unrecorded(run: Run) -> None:
    """Raises `LedgerUnavailable` where a read of the run could not be recorded: then it decided without that data, for a
    reason that is not the agent's.
    """
    for refusal in run.refusals():
        if refusal.reason is Reason.LEDGER_UNAVAILABLE:
            raise LedgerUnavailable(
                f"A read of agent '{run.agent}' could not be recorded, so it was given no data",
                hint=refusal.hint,
            )


def _has_done(context: dg.AssetExecutionContext, run_id: str) -> bool:
    """Whether another run has done this step to its end."""
    found = context.instance.get_run_step_stats(run_id, [context.op_execution_context.op.name])
    return any(item.status is not None and item.status.name == _DONE for item in found)


def _read_context(context: dg.AssetExecutionContext) -> ReadContext:
    run = context.run
    return ReadContext(
        run_id=run.run_id,
        root_run_id=run.root_run_id or run.run_id,
        step_key=context.op_execution_context.op.name,
    )
