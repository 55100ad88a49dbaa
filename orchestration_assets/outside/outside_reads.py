"""What agents outside Dagster read, in its lineage: one batch of observations for each session, sent from the record, once.

A sensor sends. What it has sent is on record; where it is ended between the two, it finds in Dagster what it had sent of a session, and sends the rest.
"""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime

import dagster as dg
from dagster import DagsterInstance

from agent_resources.metrics_resource import GovernedMetricsResource
from orchestration_assets.outside.outside_agents import OutsideAgent
from orchestration_assets.read_events import (
    AGENT_TAG,
    DATA_VERSION_TAG,
    standing_provenance,
    tag_part,
)
from semantic.errors import GovernedMetricsError
from semantic.ledger import Ledger, Read, ReadOutcome, ReadQuestion, find_reads
from semantic.ledger.exports import Exported, exported, record_export
from semantic.ledger.sessions import OutsideSession, sessions_after

SENSOR = "outside_reads"
DESTINATION = "dagster: outside reads"
SESSION = "session"
REPORTED_BY = "dagster/reporting_user"
_MOST_EVENTS = 400
_MOST_SHOWN = 100
_MOST_LOOKED_AT = 1_000
_COLUMNS = ("metric", "outcome", "data_version", "covers_from", "covers_to", "rows", "read_id")


@dataclass(frozen=True)
class Sent:
    """How much a tick sent, and whether more waits."""

    sessions: int = 0
    events: int = 0
    is_elsewhere: bool = False


def build_outside_reads_sensor(
    agents: Sequence[OutsideAgent],
    metric_keys: Mapping[str, dg.AssetKey],
    *,
    name: str = SENSOR,
    resource_key: str = "governed_metrics",
    minimum_interval_seconds: int = 30,
    default_status: dg.DefaultSensorStatus = dg.DefaultSensorStatus.RUNNING,
) -> dg.SensorDefinition:
    """A sensor that observes, for each session that is over, the metrics that were read in it and the agent that read them where it is one of `agents`.

    It keeps these in the registry as well, so that snapshots measure what they see.
    """

    @dg.sensor(
        name=name,
        minimum_interval_seconds=minimum_interval_seconds,
        default_status=default_status,
        required_resource_keys={resource_key},
        description="Observes what agents outside Dagster read, from the record, each session once.",
    )
    def sensor(context: dg.SensorEvaluationContext) -> dg.SkipReason:
        resource: GovernedMetricsResource = getattr(context.resources, resource_key)
        try:
            with resource.open(context.instance) as metrics:
                register_outside(metrics.ledger, agents)
                sent = send_outside_reads(
                    context.instance, metrics.ledger, agents, metric_keys, metrics.now()
                )
        except GovernedMetricsError as error:
            context.log.warning(str(error))
            return dg.SkipReason(str(error))
        if sent.is_elsewhere:
            return dg.SkipReason("Another process is sending")
        return dg.SkipReason(
            f"{sent.events} observations of {sent.sessions} sessions of agents outside were sent"
        )

    return sensor


def register_outside(ledger: Ledger, agents: Sequence[OutsideAgent]) -> None:
    """Keeps the newest definitions in the registry. Raises `LedgerUnavailable`."""
    known = ledger.registered_agents()
    for agent in agents:
        wanted = dict(agent.registered)
        if known.get(agent.reader.name) != wanted:
            ledger.register_agent(agent.reader.name, agent.hash, wanted)


def send_outside_reads(
    instance: DagsterInstance,
    ledger: Ledger,
    agents: Sequence[OutsideAgent],
    metric_keys: Mapping[str, dg.AssetKey],
    now: datetime,
) -> Sent:
    """Sends the sessions that are over and were not sent, as many as fit a tick. Raises `LedgerUnavailable`."""
    keys = {agent.reader.name: agent.key for agent in agents}
    sessions = events = 0
    with ledger.holding(DESTINATION) as is_ours:
        if not is_ours:
            return Sent(is_elsewhere=True)
        position = exported(ledger, DESTINATION)
        waiting = sessions_after(ledger, position.through)
        for session in waiting:
            is_sent = session.seq <= position.through or session.session_id in position.told
            if is_sent or not session.is_over(now):
                continue
            sent = _send(instance, ledger, session, keys, metric_keys)
            position = _after(position, session, waiting)
            record_export(ledger, DESTINATION, position, events=sent, runs=[session.session_id])
            sessions, events = sessions + 1, events + sent
            if events >= _MOST_EVENTS:
                break
    return Sent(sessions=sessions, events=events)


def _after(
    position: Exported, session: OutsideSession, waiting: Sequence[OutsideSession]
) -> Exported:
    """The position once a session was sent: through the last one before the first that was not."""
    told = {*position.told, session.session_id}
    through = position.through
    for item in waiting:
        if item.session_id not in told:
            break
        through = item.seq
        told.discard(item.session_id)
    return replace(position, through=through, told=frozenset(told))


def _send(
    instance: DagsterInstance,
    ledger: Ledger,
    session: OutsideSession,
    keys: Mapping[str, dg.AssetKey],
    metric_keys: Mapping[str, dg.AssetKey],
) -> int:
    """Sends what of a session Dagster does not have. Returns how many events that were."""
    reads = list(find_reads(ledger, ReadQuestion(run=session.session_id)))[::-1]
    agent_key = keys.get(session.reader)
    observations = list(_observations(instance, session, reads, agent_key, metric_keys))
    missing = [item for item in observations if not _is_there(instance, item, session)]
    for item in missing:
        instance.report_runless_asset_event(item)
    return len(missing)


def _observations(
    instance: DagsterInstance,
    session: OutsideSession,
    reads: Sequence[Read],
    agent_key: dg.AssetKey | None,
    metric_keys: Mapping[str, dg.AssetKey],
) -> Iterator[dg.AssetObservation]:
    allowed: dict[str, list[Read]] = defaultdict(list)
    for read in reads:
        if read.outcome == ReadOutcome.ALLOWED and read.metric in metric_keys:
            allowed[read.metric].append(read)
    standing = standing_provenance(instance, [metric_keys[name] for name in allowed])
    versions = _standing_versions(instance, [metric_keys[name] for name in allowed])
    for name in sorted(allowed):
        key = metric_keys[name]
        yield _of_metric(
            session, allowed[name], key, agent_key, {**standing.get(key, {}), **versions[key]}
        )
    if agent_key is not None and reads:
        yield _of_agent(session, reads, agent_key)


def _standing_versions(
    instance: DagsterInstance, keys: Sequence[dg.AssetKey]
) -> dict[dg.AssetKey, dict[str, str]]:
    """By asset the tag of the data version that it has now. An observation without one would count as an update, and one of a version that was read long ago
    would count as the newest.
    """
    found: dict[dg.AssetKey, dict[str, str]] = {key: {} for key in keys}
    for record in instance.get_asset_records(list(keys)):
        latest = record.asset_entry.last_materialization
        materialization = latest.asset_materialization if latest else None
        version = ((materialization.tags if materialization else None) or {}).get(DATA_VERSION_TAG)
        if version is not None:
            found[record.asset_entry.asset_key] = {DATA_VERSION_TAG: version}
    return found


def _of_metric(
    session: OutsideSession,
    reads: Sequence[Read],
    key: dg.AssetKey,
    agent_key: dg.AssetKey | None,
    tags: Mapping[str, str],
) -> dg.AssetObservation:
    starts = [it.covers_from for it in reads if it.covers_from]
    ends = [it.covers_to for it in reads if it.covers_to]
    last = reads[-1]
    return dg.AssetObservation(
        asset_key=key,
        description=f"Read by {session.reader}, outside Dagster",
        metadata={
            **_who(session, agent_key),
            "reads": len(reads),
            "read_ids": dg.MetadataValue.json([it.read_id for it in reads[:_MOST_SHOWN]]),
            "data_version_read": last.data_version or "",
            "version_as_read": last.version_as_read or "",
            "snapshot": last.snapshot or "",
            "covers": f"{min(starts)} to {max(ends)}" if starts and ends else "",
        },
        tags={**tags, **_tags(session)},
    )


def _of_agent(
    session: OutsideSession, reads: Sequence[Read], agent_key: dg.AssetKey
) -> dg.AssetObservation:
    names = sorted({it.metric for it in reads if it.outcome == ReadOutcome.ALLOWED})
    rows = [
        dg.TableRecord({name: str(getattr(it, name) or "") for name in _COLUMNS})
        for it in reads[:_MOST_SHOWN]
    ]
    return dg.AssetObservation(
        asset_key=agent_key,
        description=f"Read {', '.join(names) or 'nothing'}",
        metadata={
            **_who(session, None),
            "metrics": ", ".join(names),
            "reads": sum(1 for it in reads if it.outcome == ReadOutcome.ALLOWED),
            "refused": sum(1 for it in reads if it.outcome == ReadOutcome.REFUSED),
            "began_at": session.began_at.isoformat(timespec="seconds"),
            "read": dg.MetadataValue.table(
                rows, schema=dg.TableSchema([dg.TableColumn(name, "string") for name in _COLUMNS])
            ),
            "command": f"governed-agents reads --run {session.session_id}",
        },
        tags=_tags(session),
    )


def _tags(session: OutsideSession) -> dict[str, str]:
    return {AGENT_TAG: tag_part(session.reader), REPORTED_BY: session.reader}


def _who(
    session: OutsideSession, agent_key: dg.AssetKey | None
) -> dict[str, dg.MetadataValue | str]:
    """Who read, on whose behalf, and in which session."""
    agent: dg.MetadataValue | str = (
        dg.MetadataValue.asset(agent_key) if agent_key else session.reader
    )
    on_behalf = {"acting_for": session.acting_for} if session.acting_for else {}
    return {"agent": agent, SESSION: session.session_id, **on_behalf}


def _is_there(
    instance: DagsterInstance, observation: dg.AssetObservation, session: OutsideSession
) -> bool:
    """Whether Dagster has this of the session already."""
    since = session.began_at.astimezone(UTC).timestamp()
    found = instance.fetch_observations(
        dg.AssetRecordsFilter(asset_key=observation.asset_key, after_timestamp=since),
        limit=_MOST_LOOKED_AT,
    )
    for record in found.records:
        sent = record.asset_observation
        value = sent.metadata.get(SESSION) if sent else None
        if value is not None and value.value == session.session_id:
            return True
    return False
