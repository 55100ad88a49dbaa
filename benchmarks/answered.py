"""What the ways to answer one question took, as figures."""

import statistics
from collections.abc import Mapping
from dataclasses import dataclass

from benchmarks.figure import Figure
from benchmarks.timing import Times, is_at_most, median_interval


@dataclass(frozen=True, kw_only=True)
class Answered:
    """The times of all ways that took turns to answer a question over a data set."""

    benchmark: str
    data_set: str
    question: str
    times: Mapping[str, Times]

    def figure(
        self,
        way: str,
        *,
        peer: str | None = None,
        at_most: float | None = None,
        above: float | None = None,
    ) -> Figure:
        """The milliseconds of a way, and how many times those of the peer they are, round by round. The median of the ratios is to be
        `above`; `at_most` is reached where their interval says so.
        """
        own = self.times[way]
        timed = {"quartiles": _rounded(own.quartiles), "rounds": len(own.taken)}
        if peer is None:
            return self._figure(way, value=own.median, details=timed)
        ratios = own.ratios(self.times[peer])
        ratio, interval = statistics.median(ratios), median_interval(ratios)
        target, reached = None, None
        if at_most is not None:
            target, reached = f"<= {at_most:.2f}", is_at_most(interval, at_most)
        elif above is not None:
            target, reached = f"> {above:.2f}", ratio > above
        return self._figure(
            way,
            value=own.median,
            peer=peer,
            ratio=ratio,
            target=target,
            reached=reached,
            details=timed | {"ratio_interval_95": _rounded(interval)},
        )

    def cannot(self, way: str, *, peer: str, reason: str) -> Figure:
        """That a way has no answer to the question."""
        return self._figure(way, value=None, peer=peer, details={"cannot": reason})

    def after(self, way: str, times: Times, *, peer: str, at_least: float) -> Figure:
        """A way that had no turn among the others: its median over that of the peer."""
        ratio = times.median / self.times[peer].median
        return self._figure(
            way,
            value=times.median,
            peer=peer,
            ratio=ratio,
            target=f">= {at_least:g}",
            reached=ratio >= at_least,
            details={
                "quartiles": [min(times.taken), max(times.taken)],
                "rounds": len(times.taken),
            },
        )

    def _figure(
        self,
        way: str,
        *,
        value: float | None,
        peer: str | None = None,
        ratio: float | None = None,
        target: str | None = None,
        reached: bool | None = None,
        details: Mapping[str, object],
    ) -> Figure:
        asked = {"data_set": self.data_set, "query": self.question, "way": way}
        return Figure(
            benchmark=self.benchmark,
            name=f"{self.data_set}, {self.question}: {way}",
            value=value,
            unit="ms",
            peer=peer,
            ratio=ratio,
            target=target,
            reached=reached,
            details={**asked, **details},
        )


def _rounded(pair: tuple[float, float]) -> list[float]:
    return [round(item, 4) for item in pair]
