"""A dbt project that has been built, and the questions that are asked of it."""

from dataclasses import dataclass
from pathlib import Path

from benchmarks.question import Question
from tests.dbt_build import BuiltProject


@dataclass(frozen=True, kw_only=True)
class DataSet:
    """`variable` names the warehouse to the profile of the dbt project."""

    name: str
    built: BuiltProject
    variable: str
    questions: tuple[Question, ...]

    @property
    def target(self) -> Path:
        return self.built.target

    @property
    def warehouse(self) -> Path:
        return self.built.warehouse

    @property
    def environment(self) -> dict[str, str]:
        """What dbt must be told to find the warehouse."""
        return {self.variable: str(self.warehouse)}
