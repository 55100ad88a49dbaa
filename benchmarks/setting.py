"""What one run of the benchmarks is told: how long it may take, where its files lie, where it prints."""

from dataclasses import dataclass, field
from pathlib import Path

from rich.console import Console

from benchmarks.data_sets.data_set import DataSet


@dataclass(frozen=True, kw_only=True)
class Setting:
    """`rounds` is the most, `seconds` what the rounds of one question may take. `threads_seconds` is how long readers read at once, `reads`
    how long the histories are that questions are asked of.
    `data` keeps the data sets that were built; `scratch` is thrown away.
    """

    rounds: int
    cli_rounds: int
    seconds: float
    threads_seconds: float
    reads: tuple[int, ...]
    data: Path
    scratch: Path
    console: Console
    _built: dict[str, DataSet] = field(default_factory=dict)

    @property
    def flights(self) -> DataSet:
        if "flights" not in self._built:
            from benchmarks.data_sets.flights import build_flights  # Dagster comes with it: 2 s

            self.console.print("Building the year of flights ...")
            self._built["flights"] = build_flights(self.data)
        return self._built["flights"]

    @property
    def shop(self) -> DataSet:
        if "shop" not in self._built:
            from benchmarks.data_sets.shop import build_shop

            self.console.print("Building the shop ...")
            self._built["shop"] = build_shop(self.data)
        return self._built["shop"]

    @property
    def data_sets(self) -> tuple[DataSet, ...]:
        return (self.flights, self.shop)
