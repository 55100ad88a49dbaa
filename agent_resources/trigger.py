"""What has an agent run by itself, as its author writes it.

trigger:
on:
- value_changed                                   # any value that it may read
- value_changed: {metrics: cancellation_rate, by: carrier, crosses: 0.05}
- value_changed: {metrics: flights, unusual: {deviations: 4}}
- definition_changed
- freshness: {becomes: stale, metrics: flights}
- check: {becomes: failed}
- cron: {at: "0 7 * * 1-5", time_zone: America/New_York}
- decision: {of: operations_watch, where: {severity: [high, critical]}}
- run_failed                                      # any Dagster run; or {jobs: nightly, assets: "marts/*"}
at_most_every_minutes: 15
quiet_hours: {start: "22:00", end: "07:00", time_zone: America/New_York}
"""

import re
from collections.abc import Mapping, Sequence
from datetime import time
from decimal import Decimal
from typing import Annotated, Any, Literal, Self
from zoneinfo import ZoneInfo

from pydantic import AfterValidator, BaseModel, BeforeValidator, Field, model_validator

from agent_resources.written import Identifier, Whole, Written, as_list
from semantic.platform.failed_assets import FAILURE_WATCH, PAST_WATCH
from semantic.time_range import TimeUnit
from semantic.watch import Watch

_VALUE_CHANGED = "value_changed"
_NEVER = "never"
_HISTORY = {TimeUnit.DAY: 28, TimeUnit.WEEK: 12, TimeUnit.MONTH: 12}
_DEFAULT_HISTORY = 8
Names = Annotated[tuple[str, ...], BeforeValidator(as_list), Field(max_length=200)]
Number = Annotated[Decimal, Field(allow_inf_nan=False)]


def _time_zone(name: str) -> str:
    try:
        ZoneInfo(name)
    except (KeyError, ValueError, OSError) as error:
        raise ValueError(
            f"'{name}' is no time zone; write one of the IANA database, as America/New_York"
        ) from error
    return name


TimeZone = Annotated[str, AfterValidator(_time_zone)]


class Level(Written):
    """A level, and in which direction it is crossed. A value at the level is above it."""

    level: Number
    direction: Literal["up", "down", "either"] = "either"


class Unusual(Written):
    """How far a value lies from the median of the periods before it: more than so many times their usual distance from it.

    The usual distance is the median of the distances from the median, times 1.4826: for values that scatter like a bell curve, their standard deviation. Less
    than seven periods of `history` say nothing. Where all of them are equal, every other value is unusual.
    """

    deviations: Annotated[float, Field(gt=0, le=100)] = 3.0
    history: Annotated[Whole, Field(ge=7, le=366)] | None = None


class ValueChanged(Written):
    """A value that the agent may read has changed: any of the metrics, or by one of four measures.

    Without a measure, groups or a grain it is the whole of a metric: all its rows over its declared scope, as the agent sees them. Else it is the figures of the
    newest `periods` of a `grain`, by the groups of `by`, of which `only` some: each against the same one when the agent last ran, and a period that is new
    against the newest of then.
    """

    kind: Literal["value_changed"] = "value_changed"
    metrics: Names = ()
    by: Annotated[Names, Field(max_length=3)] = ()
    only: dict[str, Annotated[tuple[str, ...], BeforeValidator(as_list)]] = Field(default={})
    grain: TimeUnit | None = None
    periods: Annotated[Whole, Field(ge=1, le=366)] | None = None
    at_least: Annotated[Number, Field(gt=0)] | None = None
    at_least_percent: Annotated[Number, Field(gt=0)] | None = None
    crosses: Annotated[Level, BeforeValidator(lambda value: _as_level(value))] | None = None
    unusual: Unusual | None = None

    @model_validator(mode="after")
    def _is_one_measure(self) -> Self:
        measures = {
            "at_least": self.at_least,
            "at_least_percent": self.at_least_percent,
            "crosses": self.crosses,
            "unusual": self.unusual,
        }
        given = [name for name, value in measures.items() if value is not None]
        if len(given) > 1:
            raise ValueError(f"has {' and '.join(given)}; write one entry for each")
        if not self.is_whole and not self.metrics:
            raise ValueError("names no metrics; figures and groups are those of metrics by name")
        strange = sorted(self.only.keys() - set(self.by))
        if strange:
            raise ValueError(f"only: '{strange[0]}' is not one of the groups in by")
        if self.unusual is not None and self.periods is not None:
            raise ValueError("unusual is said of the newest period; give its history in unusual")
        return self

    @property
    def is_whole(self) -> bool:
        """Whether any change of a metric counts, and not one of some figures."""
        return not any(
            (
                self.by,
                self.grain,
                self.periods,
                self.at_least,
                self.at_least_percent,
                self.crosses,
                self.unusual,
            )
        )

    @property
    def newest(self) -> int:
        """The newest periods of which the figures count."""
        return self.periods or 1

    def watches(self) -> tuple[Watch, ...]:
        """What a snapshot has to measure for it; nothing where it asks for whole metrics."""
        if self.is_whole:
            return ()
        grain = self.grain or TimeUnit.DAY
        periods = self.newest
        if self.unusual is not None:
            periods = 1 + (self.unusual.history or _HISTORY.get(grain, _DEFAULT_HISTORY))
        return tuple(
            Watch(metric=name, by=self.by, grain=grain, periods=periods) for name in self.metrics
        )


class DefinitionChanged(Written):
    """A metric means something else, down to the sources, than when the agent last ran."""

    kind: Literal["definition_changed"] = "definition_changed"
    metrics: Names = ()


class Freshness(Written):
    """A metric became stale, or fresh again."""

    kind: Literal["freshness"] = "freshness"
    becomes: Literal["stale", "fresh"]
    metrics: Names = ()


class Check(Written):
    """What a metric is made of failed its checks, or passed them again."""

    kind: Literal["check"] = "check"
    becomes: Literal["failed", "recovered"]
    metrics: Names = ()


class Cron(Written):
    """A time of the calendar, as five fields of cron, in a time zone. Several that were missed are one."""

    kind: Literal["cron"] = "cron"
    at: str = Field(min_length=9, max_length=100)
    time_zone: TimeZone = "UTC"


class DecisionOf(Written):
    """Another agent decided, or its proposal was `approved` or `rejected`; where given, with one of these values in fields of its output."""

    kind: Literal["decision"] = "decision"
    of: Identifier
    state: Literal["decided", "approved", "rejected"] = "decided"
    where: dict[str, Annotated[tuple[str | int | bool, ...], BeforeValidator(as_list)]] = Field(
        default={}
    )


class RunFailed(Written):
    """A Dagster run failed, and Dagster does not try it again by itself: any, or one of these jobs, or in which one of these assets failed; both by name, with `*`."""

    kind: Literal["run_failed"] = "run_failed"
    jobs: Names = ()
    assets: Names = ()


When = Annotated[
    ValueChanged | DefinitionChanged | Freshness | Check | Cron | DecisionOf | RunFailed,
    Field(discriminator="kind"),
]
_BY_ITSELF = {_VALUE_CHANGED, "definition_changed", "run_failed"}


def _clock(value: object) -> object:
    """Refuses what YAML makes of a time without quotes: a number of minutes."""
    if isinstance(value, str) and _CLOCK.fullmatch(value):
        return value
    if isinstance(value, time) and value.tzinfo is None:
        return value
    raise ValueError('is no time of the day; write it in quotes, as "22:00"')


_CLOCK = re.compile(r"([01]\d|2[0-3]):[0-5]\d(:[0-5]\d)?")
Clock = Annotated[time, BeforeValidator(_clock)]


class QuietHours(Written):
    """The hours of a day in which the agent is not run by itself; what calls for a run then has it run after them."""

    start: Clock
    end: Clock
    time_zone: TimeZone = "UTC"

    @model_validator(mode="after")
    def _is_some_time(self) -> Self:
        if self.start == self.end:
            raise ValueError("start and end are the same; quiet all day is `on: never`")
        return self


class Trigger(Written):
    """When the agent runs by itself. `on` are what calls for a run, each by itself; none of it where it is empty."""

    on: Annotated[
        tuple[When, ...],
        BeforeValidator(lambda value: _as_kinds(value)),
        Field(max_length=20),
    ] = (ValueChanged(),)
    at_most_every_minutes: float = Field(default=15, ge=0, le=10_080)
    quiet_hours: QuietHours | None = None

    def watches(self) -> tuple[Watch, ...]:
        """What a snapshot has to measure for it."""
        figures = [
            watch for when in self.on if isinstance(when, ValueChanged) for watch in when.watches()
        ]
        has_failures = any(isinstance(when, RunFailed) for when in self.on)
        return (*figures, *([FAILURE_WATCH, PAST_WATCH] if has_failures else ()))


def _as_level(value: Any) -> Any:
    return (
        {"level": value}
        if isinstance(value, int | float | str | Decimal) and not isinstance(value, bool)
        else value
    )


def _as_kinds(value: Any) -> Any:
    """What an author writes, each entry with its kind in it: a name alone, or a name with what belongs to it."""
    if value == _NEVER:
        return ()
    entries = [value] if isinstance(value, str | Mapping | BaseModel) else value
    if not isinstance(entries, Sequence):
        return value
    return [_as_kind(entry) for entry in entries]


def _as_kind(entry: Any) -> Any:
    if isinstance(entry, str):
        if entry not in _BY_ITSELF and entry in _KINDS:
            raise ValueError(f"'{entry}' says too little alone; write {_HOW[entry]}")
        return {"kind": entry}
    if isinstance(entry, Mapping) and "kind" not in entry and len(entry) == 1:
        [(kind, given)] = entry.items()
        if isinstance(given, Mapping):
            return {"kind": kind, **given}
        if kind == "cron" and isinstance(given, str):
            return {"kind": kind, "at": given}
        raise ValueError(f"'{kind}' takes a mapping; write {_HOW.get(kind, 'one of its keys')}")
    return entry


_HOW = {
    _VALUE_CHANGED: "value_changed: {metrics: flights}",
    "definition_changed": "definition_changed: {metrics: flights}",
    "freshness": "freshness: {becomes: stale}",
    "check": "check: {becomes: failed}",
    "cron": 'cron: "0 7 * * *"',
    "decision": "decision: {of: another_agent}",
    "run_failed": "run_failed: {jobs: nightly}",
}
_KINDS = frozenset(_HOW)
