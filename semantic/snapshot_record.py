"""What a snapshot holds and how good it is, as readers and `snapshot.json` know it."""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from datetime import date, datetime
from enum import StrEnum
from typing import Any

from semantic.watch import Points, points_from_json, points_to_json

_DAYS = ("first_day", "last_day", "until_day")
_PUBLISHED = "published_at"


class State(StrEnum):
    """Whether what a metric is built from may be read. Unknown is not passing."""

    PASSING = "passing"
    FAILING = "failing"
    UNKNOWN = "unknown"


@dataclass(frozen=True, kw_only=True)
class ModelState:
    """The checks of one dbt model and of everything above it, when the snapshot was taken."""

    state: State
    reason: str = ""


def state_of_model(models: Mapping[str, ModelState], unique_id: str) -> ModelState:
    """The state of a dbt node. One that nobody looked at is unknown."""
    return models.get(unique_id) or ModelState(
        state=State.UNKNOWN, reason=f"nothing is known of the checks of {unique_id}"
    )


@dataclass(frozen=True, kw_only=True)
class MetricState:
    """One metric in a snapshot.

    `data_version` is the hash of its canonical rows over its declared scope; `since` is the snapshot with which this
    version began. `value` is its total, or where it has none that of the last day; `series` is (day, value) over the
    scope's days. `closed_since` is the moment at which the first snapshot was published in which it was closed and has been since. Numbers are text without trailing zeros. `first_day` and `until_day` bound its data; `last_day` is the
    last for which all that it is made of has data. `reason` is told to readers, `detail` only to those who mend it. `published_at` is given where its data was
    published with an earlier snapshot, which this one took it over from.
    """

    definition_hash: str
    state: State
    reason: str = ""
    detail: str = ""
    closed_since: str = ""
    data_version: str = ""
    since: str = ""
    value: str | None = None
    value_last_day: str | None = None
    series: tuple[tuple[str, str | None], ...] = ()
    first_day: date | None = None
    last_day: date | None = None
    until_day: date | None = None
    published_at: datetime | None = None

    @property
    def why(self) -> str:
        """The reason with its detail, for those who mend it."""
        return f"{self.reason}: {self.detail}" if self.detail else self.reason


@dataclass(frozen=True, kw_only=True)
class VersionAsRead:
    """The data version of a metric over the rows that some readers see, and the snapshot with which it began."""

    data_version: str
    since: str


@dataclass(frozen=True, kw_only=True)
class SnapshotRecord:
    """What a snapshot holds and how good it is. `as_read` is keyed by `Permit.rows_key`, then by metric.

    By semantic model and element, `elements` are hashes of the definitions (`Catalog.element_hashes`) and `types` the DuckDB types. `meanings` are by metric the
    hash of all that gives it its meaning, down to the sources; `watched` are by key of a watch the values that it saw.
    `covering` is the day after which nothing of it may be told; None where all may. Of one that `is_of_platform`, what the platform tells is new, and the rest
    that of the snapshot before it.
    """

    version: str
    published_at: datetime
    run_id: str | None
    database: str
    manifest_hash: str
    relations: Mapping[str, int]
    models: Mapping[str, ModelState]
    metrics: Mapping[str, MetricState]
    as_read: Mapping[str, Mapping[str, VersionAsRead]] = field(default_factory=dict)
    elements: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    types: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    meanings: Mapping[str, str] = field(default_factory=dict)
    watched: Mapping[str, Points] = field(default_factory=dict)
    covering: date | None = None
    is_of_platform: bool = False

    def published(self, metrics: Iterable[str]) -> datetime:
        """When the data of some metrics was published, that of the oldest of them."""
        moments = (self.metrics[name].published_at for name in metrics if name in self.metrics)
        return min([self.published_at, *(moment for moment in moments if moment)])

    @property
    def identity(self) -> str:
        """Which data this is: a version's name comes again where a store was emptied, and then with another time."""
        until = f" until {self.covering}" if self.covering else ""
        return f"{self.version} {self.published_at.isoformat()}{until}"

    def closing(self, reasons: Mapping[str, str]) -> "SnapshotRecord":
        """The same, with these metrics closed for what is known against them elsewhere."""
        closed = {
            name: replace(state, state=State.FAILING, reason=reasons[name])
            for name, state in self.metrics.items()
            if name in reasons and state.state is State.PASSING
        }
        return replace(self, metrics={**self.metrics, **closed}) if closed else self

    def until(self, day: date) -> "SnapshotRecord":
        """The same, as if its data ended on a day."""
        return replace(
            self,
            covering=day,
            watched={},
            metrics={name: _until(state, day) for name, state in self.metrics.items()},
        )


def _until(state: MetricState, day: date) -> MetricState:
    """Without what tells of later days."""
    return replace(
        state,
        value=None,
        value_last_day=None,
        series=(),
        last_day=min(state.last_day, day) if state.last_day else None,
        until_day=min(state.until_day, day) if state.until_day else None,
    )


def record_to_json(record: SnapshotRecord) -> dict[str, Any]:
    plain = asdict(replace(record, watched={}))
    del plain["covering"]
    plain["watched"] = {key: points_to_json(points) for key, points in record.watched.items()}
    plain["published_at"] = record.published_at.isoformat()
    for metric in plain["metrics"].values():
        for key in (*_DAYS, _PUBLISHED):
            metric[key] = metric[key].isoformat() if metric[key] else None
    return plain


def record_from_json(text: str) -> SnapshotRecord:
    plain = json.loads(text)
    return SnapshotRecord(
        version=plain["version"],
        published_at=datetime.fromisoformat(plain["published_at"]),
        run_id=plain["run_id"],
        database=plain["database"],
        manifest_hash=plain["manifest_hash"],
        relations=plain["relations"],
        models={
            name: ModelState(state=State(item["state"]), reason=item["reason"])
            for name, item in plain["models"].items()
        },
        metrics={name: _metric_from_json(item) for name, item in plain["metrics"].items()},
        as_read={
            key: {name: VersionAsRead(**item) for name, item in metrics.items()}
            for key, metrics in plain["as_read"].items()
        },
        elements=plain.get("elements", {}),
        types=plain.get("types", {}),
        meanings=plain.get("meanings", {}),
        watched={key: points_from_json(rows) for key, rows in plain.get("watched", {}).items()},
        is_of_platform=plain.get("is_of_platform", False),
    )


def _metric_from_json(item: Mapping[str, Any]) -> MetricState:
    series: Sequence[Sequence[str | None]] = item["series"]
    published = item.get(_PUBLISHED)
    return MetricState(
        **{
            **item,
            "state": State(item["state"]),
            "series": tuple((str(day), value) for day, value in series),
            **{key: date.fromisoformat(item[key]) if item[key] else None for key in _DAYS},
            _PUBLISHED: datetime.fromisoformat(published) if published else None,
        }
    )
