"""One measured figure."""

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, kw_only=True)
class Figure:
    """`ratio` is the value over that of `peer`, the median of the rounds where there were several. `target` is what the ratio, or
    without one the value, is to reach. `value` is None where it cannot be measured; `details` say why, or how it was.
    """

    benchmark: str
    name: str
    value: float | None
    unit: str
    peer: str | None = None
    ratio: float | None = None
    target: str | None = None
    reached: bool | None = None
    details: Mapping[str, Any] = field(default_factory=dict)

    def plain(self) -> dict[str, Any]:
        """The figure as one JSON object, without what there is not."""
        known = {
            "benchmark": self.benchmark,
            "name": self.name,
            "value": _rounded(self.value),
            "unit": self.unit,
            "peer": self.peer,
            "ratio": _rounded(self.ratio),
            "target": self.target,
            "reached": self.reached,
        }
        kept = {key: value for key, value in known.items() if value is not None or key == "value"}
        return kept | dict(self.details)


def timed_figure(benchmark: str, name: str, times: Sequence[float], target: float | None) -> Figure:
    """The median of some times in milliseconds, and whether that reaches the target where there is one."""
    median = statistics.median(times)
    return Figure(
        benchmark=benchmark,
        name=name,
        value=median,
        unit="ms",
        target=None if target is None else f"<= {target:,g}",
        reached=None if target is None else median <= target,
        details={"rounds": len(times), "most_ms": round(max(times), 2)},
    )


def _rounded(value: float | None) -> float | None:
    return None if value is None else float(f"{value:.5g}")
