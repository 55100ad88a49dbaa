"""Who used what over some days: agents, metrics and days, what was refused, what is granted and lies unused, what was stale, and what runs took."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from semantic.answer import Reason
from semantic.ledger import Ledger
from semantic.ledger.access_counts import (
    DayOfReads,
    PairOfReads,
    Spent,
    daily_reads,
    pairs_of_reads,
    spent_by_agent,
    stale_answers,
)
from semantic.policy import REFRESH

_MOST_PAIRS = 60


@dataclass(frozen=True, kw_only=True)
class AccessReport:
    """The uses from `first` to `last`, both included, in UTC.

    `pairs` are those of an agent and a metric, the most read first; `days` tell of the first of them day by day; `unused` are grants that were not used, by
    agent; `never_read` the metrics that nobody was given. `stale` counts by agent the answers that were said to be stale, of the newest that were looked at.
    """

    first: date
    last: date
    pairs: Sequence[PairOfReads]
    days: Sequence[DayOfReads]
    unused: Mapping[str, Sequence[str]]
    never_read: Sequence[str]
    stale: Mapping[str, int]
    spent: Sequence[Spent]

    @property
    def reads(self) -> int:
        """How many reads were released."""
        return sum(pair.allowed for pair in self.pairs)

    @property
    def refused(self) -> int:
        return sum(pair.refused for pair in self.pairs)

    @property
    def agents(self) -> tuple[str, ...]:
        """Who was given anything, by name."""
        return tuple(sorted({pair.agent for pair in self.pairs if pair.allowed}))

    def most_read(self) -> list[tuple[str, int, int]]:
        """Each metric that was read, with how often and by how many, the most read first."""
        found: dict[str, list[int]] = {}
        for pair in self.pairs:
            if pair.allowed:
                found.setdefault(pair.metric, []).append(pair.allowed)
        rows = [(metric, sum(counts), len(counts)) for metric, counts in found.items()]
        return sorted(rows, key=lambda row: (-row[1], row[0]))


def access_report(
    ledger: Ledger,
    metrics: Collection[str],
    granted: Mapping[str, Collection[str]],
    *,
    until: datetime,
    days: int,
) -> AccessReport:
    """The report of so many days that end with the one of `until`. `metrics` are those that there are, `granted` what each agent may read now. What is read to
    measure is no use. Raises `LedgerUnavailable`.
    """
    last = until.date()
    first = last - timedelta(days=days - 1)
    pairs = pairs_of_reads(ledger, first, last, without_agent=REFRESH)
    pairs.sort(key=lambda pair: (-pair.allowed, -pair.refused, pair.agent, pair.metric))
    shown = pairs[:_MOST_PAIRS]
    used = {(pair.agent, pair.metric) for pair in pairs if pair.allowed}
    read = {metric for _, metric in used}
    return AccessReport(
        first=first,
        last=last,
        pairs=pairs,
        days=daily_reads(ledger, first, last, [(pair.agent, pair.metric) for pair in shown]),
        unused=_unused(granted, used),
        never_read=tuple(sorted(set(metrics) - read)),
        stale=stale_answers(ledger, first, last),
        spent=spent_by_agent(ledger, first, last),
    )


def _unused(
    granted: Mapping[str, Iterable[str]], used: Collection[tuple[str, str]]
) -> dict[str, list[str]]:
    found = {
        agent: sorted(name for name in names if (agent, name) not in used)
        for agent, names in sorted(granted.items())
    }
    return {agent: names for agent, names in found.items() if names}


def refused_by_reason(report: AccessReport) -> dict[tuple[str, str, str], int]:
    """By agent, metric and reason, how often something was refused."""
    return {
        (pair.agent, pair.metric, reason): count
        for pair in report.pairs
        for reason, count in pair.reasons.items()
    }


def refused_as_stale(report: AccessReport) -> int:
    """How often something was refused because it was too old."""
    return sum(pair.reasons.get(Reason.STALE.value, 0) for pair in report.pairs)
