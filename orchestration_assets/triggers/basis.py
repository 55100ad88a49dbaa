"""What an agent may read, as it stands in a snapshot: what its last run was based on, and what another would be."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import dagster as dg
from dagster import DagsterInstance

from orchestration_assets.agent_materialization import BASIS, LIMITED, STATE
from orchestration_assets.triggers.permits import permits_of
from semantic.governed_metrics import GovernedMetrics
from semantic.policy import Reader
from semantic.snapshot_record import MetricState, SnapshotRecord
from semantic.watch import Points, Watch, points_from_json, points_to_json
from semantic.watch_measurement import seen_of


@dataclass(frozen=True, kw_only=True)
class Version:
    """The version of a metric, and the snapshot with which it began."""

    data_version: str
    since: str


@dataclass(frozen=True, kw_only=True)
class Standing:
    """How a metric stands: over all its rows, and over those that the agent sees; None where that was not measured."""

    whole: Version
    as_read: Version | None

    @property
    def key(self) -> str:
        """What another run would be based on: a version that came back is another one."""
        seen = self.as_read or self.whole
        return f"{seen.data_version} {seen.since}"

    def is_other_than(self, before: "Standing | None") -> bool:
        """Whether it changed since, also where it changed back."""
        if before is None:
            return True
        if self.as_read is not None and before.as_read is not None:
            return self.as_read != before.as_read
        return self.whole != before.whole


@dataclass(frozen=True, kw_only=True)
class Basis:
    """What an agent may read, as it stands in one snapshot, and the state of the record at that time.

    `identity` is that of the snapshot; `metrics` and `meanings` are by metric; `figures` by key of a watch, those that its trigger compares. `at` is the moment
    and `seq` the number of the newest record; `closed` are by metric since when a gate has been closed on it, `published` when its data was published, where that was with
    an earlier snapshot.
    """

    snapshot: str
    identity: str
    at: datetime
    seq: int
    metrics: Mapping[str, Standing] = field(default_factory=dict)
    meanings: Mapping[str, str] = field(default_factory=dict)
    figures: Mapping[str, Points] = field(default_factory=dict)
    closed: Mapping[str, str] = field(default_factory=dict)
    published: Mapping[str, str] = field(default_factory=dict)

    def published_at(self, name: str) -> datetime:
        """When the data of a metric was published."""
        return datetime.fromisoformat(
            self.published.get(name) or self.identity.partition(" ")[2].split(" ")[0]
        )

    def written(self) -> str:
        """As the metadata of a materialization holds it: one text, since Dagster takes a tree of values apart each time that it is looked at."""
        return json.dumps(self._plain(), separators=(",", ":"))

    def _plain(self) -> dict[str, Any]:
        return {
            "snapshot": self.snapshot,
            "identity": self.identity,
            "at": self.at.isoformat(),
            "seq": self.seq,
            "metrics": {
                name: [
                    [it.data_version, it.since] if it else None
                    for it in (standing.whole, standing.as_read)
                ]
                for name, standing in self.metrics.items()
            },
            "meanings": dict(self.meanings),
            "figures": {key: points_to_json(points) for key, points in self.figures.items()},
            "closed": dict(self.closed),
            "published": dict(self.published),
        }

    @classmethod
    def read(cls, written: str) -> "Basis":
        """Raises `ValueError`, `KeyError` or `TypeError` where it is none."""
        plain = json.loads(written)
        return cls(
            snapshot=plain["snapshot"],
            identity=plain["identity"],
            at=datetime.fromisoformat(plain["at"]),
            seq=plain["seq"],
            metrics={
                name: Standing(
                    whole=Version(data_version=whole[0], since=whole[1]),
                    as_read=Version(data_version=seen[0], since=seen[1]) if seen else None,
                )
                for name, (whole, seen) in plain["metrics"].items()
            },
            meanings=plain["meanings"],
            figures={key: points_from_json(rows) for key, rows in plain["figures"].items()},
            closed=plain["closed"],
            published=plain.get("published", {}),
        )


@dataclass(frozen=True, kw_only=True)
class AgentHistory:
    """What Dagster knows of an agent's past: the basis of its last materialization, the last run that made it or was to make it, and the run of the last
    materialization where that ended at a limit.
    """

    handled: Basis | None
    last_run_id: str | None
    limited_run_id: str | None = None


_of_snapshot: dict[str, tuple[str, dict[str, Mapping[str, Standing]]]] = {}
_read: dict[dg.AssetKey, tuple[str, Basis]] = {}
NO_HISTORY = AgentHistory(handled=None, last_run_id=None)


def read_histories(
    instance: DagsterInstance, keys: Sequence[dg.AssetKey]
) -> dict[dg.AssetKey, AgentHistory]:
    """The past of each of these agent assets that has one. One look-up for all of them."""
    found: dict[dg.AssetKey, AgentHistory] = {}
    for record in instance.get_asset_records(list(keys)):
        latest = record.asset_entry.last_materialization
        materialization = latest.asset_materialization if latest else None
        metadata = materialization.metadata if materialization else {}
        is_limited = STATE in metadata and metadata[STATE].value == LIMITED
        found[record.asset_entry.asset_key] = AgentHistory(
            handled=_basis_in(record.asset_entry.asset_key, metadata),
            last_run_id=record.asset_entry.last_run_id,
            limited_run_id=latest.run_id if latest and is_limited else None,
        )
    return found


def _basis_in(key: dg.AssetKey, metadata: Mapping[str, Any]) -> Basis | None:
    """The basis that a materialization tells, None where it tells none that this version knows: then the agent runs. The one that was read last of each agent is
    kept, since a sensor looks at every tick.
    """
    written = metadata[BASIS].value if BASIS in metadata else None
    if not isinstance(written, str):
        return None
    known = _read.get(key)
    if known is None or known[0] != written:
        try:
            known = _read[key] = (written, Basis.read(written))
        except (KeyError, TypeError, ValueError, AttributeError):
            return None
    return known[1]


def read_basis(
    reader: Reader,
    names: Sequence[str],
    metrics: GovernedMetrics,
    record: SnapshotRecord,
    *,
    at: datetime,
    seq: int,
    watches: Sequence[Watch] = (),
    closed: Mapping[str, str] | None = None,
) -> Basis:
    """How that stands in a snapshot which a reader may read."""
    of_rows: dict[str, Mapping[str, Standing]] = {}
    standing: dict[str, Standing] = {}
    for name, permit in permits_of(reader, names, metrics).items():
        rows = permit.rows_key
        known = of_rows.get(rows)
        if known is None:
            known = of_rows[rows] = _standings(record, rows)
        if name in known:
            standing[name] = known[name]
    return Basis(
        snapshot=record.version,
        identity=record.identity,
        at=at,
        seq=seq,
        metrics=standing,
        meanings={name: record.meanings[name] for name in standing if name in record.meanings},
        figures=figures_of(reader, watches, metrics, record),
        closed=closed or {},
        published={
            name: moment.isoformat()
            for name in standing
            if (moment := record.metrics[name].published_at) is not None
        },
    )


def _standings(record: SnapshotRecord, rows: str) -> Mapping[str, Standing]:
    """How every metric stands over some rows, the same for all who see these: worked out once for each snapshot."""
    identity, known = _of_snapshot.get("current", ("", {}))
    if identity != record.identity:
        known = {}
        _of_snapshot["current"] = record.identity, known
    if rows not in known:
        known[rows] = {
            name: _standing(record, name, state, rows) for name, state in record.metrics.items()
        }
    return known[rows]


def _standing(record: SnapshotRecord, name: str, state: MetricState, rows: str) -> Standing:
    whole = Version(data_version=state.data_version, since=state.since)
    seen = record.as_read.get(rows, {}).get(name)
    as_read = Version(data_version=seen.data_version, since=seen.since) if seen else None
    return Standing(whole=whole, as_read=as_read if rows else whole)


def figures_of(
    reader: Reader, watches: Sequence[Watch], metrics: GovernedMetrics, record: SnapshotRecord
) -> dict[str, Points]:
    """By key, the newest figures of what is watched, as many periods as a trigger compares."""
    found = {}
    for watch in watches:
        metric = metrics.catalog.metrics.get(watch.metric)
        seen = seen_of(metrics.policy, reader.name, watch, metric) if metric else None
        if seen is not None and seen[1] in record.watched:
            found[seen[1]] = record.watched[seen[1]]
    return found
