"""All that the triggers of some agents look at, with a number of look-ups that does not grow with the agents."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

import dagster as dg
from dagster import DagsterInstance
from dagster._core.definitions.assets.graph.base_asset_graph import BaseAssetGraph

from agent_resources.agent import AgentDefinition
from agent_resources.trigger import DecisionOf
from orchestration_assets.triggers.basis import (
    NO_HISTORY,
    AgentHistory,
    Basis,
    figures_of,
    read_basis,
    read_histories,
)
from orchestration_assets.triggers.gates import (
    Upstream,
    closed_in_snapshot,
    closed_outside,
    closed_to,
    oldest_allowed,
)
from orchestration_assets.triggers.other_decisions import other_decisions
from orchestration_assets.triggers.sight import OtherDecision, Sight
from semantic.change_log import Changes
from semantic.governed_metrics import GovernedMetrics
from semantic.ledger.registry import registered_since
from semantic.ledger.said import last_number
from semantic.snapshot_record import SnapshotRecord
from semantic.watch import Points


@dataclass(frozen=True, kw_only=True)
class WatchedAgent:
    """An agent that may run by itself: its definition, its asset, and the metrics that it may read."""

    definition: AgentDefinition
    key: dg.AssetKey
    readable: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Scene:
    """Where agents are looked at: the instance, the assets of the code location, the door, and the snapshot that they would run on."""

    instance: DagsterInstance
    graph: BaseAssetGraph[Any] | None
    metrics: GovernedMetrics
    record: SnapshotRecord
    now: datetime
    upstream: Upstream = field(default_factory=Upstream)


def look(
    scene: Scene,
    agents: Sequence[WatchedAgent],
    histories: Mapping[dg.AssetKey, AgentHistory] | None = None,
) -> list[Sight]:
    """One for each agent. Raises `LedgerUnavailable`."""
    known = (
        read_histories(scene.instance, [agent.key for agent in agents])
        if histories is None
        else histories
    )
    metrics, record, now = scene.metrics, scene.record, scene.now
    names = tuple(dict.fromkeys(name for agent in agents for name in agent.readable))
    closed = closed_outside(
        scene.instance, scene.graph, scene.upstream, names, now
    ) | closed_in_snapshot(names, metrics, record)
    seq = last_number(metrics.ledger)
    registered = registered_since(metrics.ledger)
    handled = {agent.key: known.get(agent.key, NO_HISTORY).handled for agent in agents}
    changes: dict[str, tuple[Changes, ...] | None] = {
        basis.identity: metrics.snapshots.changes.since(basis.identity, record)
        for basis in handled.values()
        if basis is not None
    }
    decisions = _decisions(metrics, agents, handled.values())
    found = []
    for agent in agents:
        definition, before = agent.definition, handled[agent.key]
        ages = oldest_allowed(definition.reader, agent.readable, metrics)
        against = closed_to(agent.readable, closed, ages, record, now)
        found.append(
            Sight(
                definition=definition,
                readable=agent.readable,
                handled=before,
                basis=_basis(
                    scene, agent, before, seq, {name: it.episode for name, it in against.items()}
                ),
                record=record,
                changes=changes[before.identity] if before else None,
                closed=against,
                ages=ages,
                since=before.at if before else registered.get(definition.name, now),
                metrics=metrics,
                decisions=decisions,
            )
        )
    return found


def _basis(
    scene: Scene,
    agent: WatchedAgent,
    before: Basis | None,
    seq: int,
    closed: Mapping[str, str],
) -> Basis:
    """What a run would be based on. Where it is the same snapshot and as much may be read, nothing can have changed in it."""
    if (
        before is not None
        and before.identity == scene.record.identity
        and before.metrics.keys() >= {*agent.readable}
        and before.figures.keys() >= _figures(scene, agent).keys()
    ):
        return replace(before, at=scene.now, seq=seq, closed=closed)
    return read_basis(
        agent.definition.reader,
        agent.readable,
        scene.metrics,
        scene.record,
        at=scene.now,
        seq=seq,
        watches=agent.definition.trigger.watches(),
        closed=closed,
    )


def _figures(scene: Scene, agent: WatchedAgent) -> Mapping[str, Points]:
    definition = agent.definition
    return figures_of(definition.reader, definition.trigger.watches(), scene.metrics, scene.record)


def _decisions(
    metrics: GovernedMetrics, agents: Iterable[WatchedAgent], handled: Collection[Basis | None]
) -> Sequence[OtherDecision]:
    """What was decided by those whose decisions call for a run of one of these agents, since the oldest of their runs."""
    wanted = {
        when.of
        for agent in agents
        for when in agent.definition.trigger.on
        if isinstance(when, DecisionOf)
    }
    if not wanted:
        return ()
    after = min((basis.seq if basis else 0 for basis in handled), default=0)
    return other_decisions(metrics.ledger, wanted, after=after)
