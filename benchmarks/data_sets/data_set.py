"""A dbt project that has been built, and the questions that are asked of it."""

from dataclasses import dataclass
from pathlib import Path

from benchmarks.question import Question


@dataclass(frozen=True, kw_only=True)
class DataSet:
    """`project` is a folder of its own, with the artifacts in `target`. `variable` names the warehouse to dbt's profile."""

    name: str
    project: Path
    warehouse: Path
    variable: str
    questions: tuple[Question, ...]

    @property
    def target(self) -> Path:
        return self.project / "target"

    @property
    def environment(self) -> dict[str, str]:
        """What dbt must be told to find the warehouse."""
        return {self.variable: str(self.warehouse)}
