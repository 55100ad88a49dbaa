"""A figure that somebody watches: of a metric the newest periods, over all or by groups."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

from semantic.canonical import canonical_json
from semantic.metric import METRIC_TIME, Dimension
from semantic.policy import Permit
from semantic.time_range import TimeUnit, months_earlier, period_end, period_start

_MONTHS = {"month": 1, "quarter": 3, "year": 12}

# The period of what has no time.
NO_PERIOD = ""
# The group of rows that have no value there.
NO_VALUE = "\x00"
# By its period and its groups, a value as text without trailing zeros.
Points = Mapping[tuple[str, ...], str]


@dataclass(frozen=True, kw_only=True)
class Watch:
    """The values of `metric` in its newest `periods` of a `grain`, by the dimensions `by`; of one without a time its total."""

    metric: str
    by: tuple[str, ...] = ()
    grain: TimeUnit = TimeUnit.DAY
    periods: int = 1

    def key(self, permit: Permit) -> str:
        """A name of it for all who see the same: the same rows, groups and masks."""
        seen = [
            permit.rows_key,
            permit.smallest_group,
            sorted((name, str(mask)) for name, mask in permit.masks.items()) if self.by else [],
        ]
        asked = [self.metric, list(self.by), self.grain.value, self.periods]
        return hashlib.sha256(canonical_json([asked, seen])).hexdigest()[:24]

    def query(self, legal: Mapping[str, Dimension], last_day: date | None) -> dict[str, Any]:
        """What to ask for, given the dimensions that it has and the last day of its data."""
        if METRIC_TIME not in legal or last_day is None:
            return {"metrics": [self.metric], "group_by": list(self.by)}
        grain = self.grain.value
        if grain not in legal[METRIC_TIME].grains:
            grain = legal[METRIC_TIME].day_grain or grain
        return {
            "metrics": [self.metric],
            "group_by": [f"{METRIC_TIME}__{grain}", *self.by],
            "time_range": {
                "start": first_of(last_day, grain, self.periods).isoformat(),
                "end": period_end(last_day, grain).isoformat(),
            },
        }


def first_of(last_day: date, grain: str, periods: int) -> date:
    """The first day of the newest so many periods of a grain."""
    newest = period_start(last_day, grain)
    if grain in _MONTHS:
        return months_earlier(newest, (periods - 1) * _MONTHS[grain])
    days = (periods - 1) * (7 if grain == "week" else 1)
    return date.fromordinal(newest.toordinal() - days)


def newest(points: Points, periods: int) -> Points:
    """The points of the newest so many periods that there are."""
    kept = sorted({cells[0] for cells in points}, reverse=True)[:periods]
    return {cells: value for cells, value in points.items() if cells[0] in kept}


def points_from_json(rows: Sequence[Sequence[str]]) -> Points:
    return {tuple(cells): value for *cells, value in rows}


def points_to_json(points: Points) -> list[list[str]]:
    return [[*cells, value] for cells, value in sorted(points.items())]
