"""The past that an agent can be played on, as its author writes it.

history: {start: 2013-01-01, end: 2014-01-01, as_known: covering}
"""

from datetime import date
from typing import Literal, Self

from pydantic import model_validator

from agent_resources.written import Written


class HistoryOf(Written):
    """The days on which the agent can be played, from `start` up to `end`, which is not included; without an end up to yesterday.

    As the data was known: with `covering`, the data of now as if it ended on that day; with `snapshot` the newest snapshot that was published by then,
    as long as it is kept.
    """

    start: date
    end: date | None = None
    as_known: Literal["covering", "snapshot"] = "covering"

    @model_validator(mode="after")
    def _has_days(self) -> Self:
        if self.end is not None and self.end <= self.start:
            raise ValueError(f"ends on {self.end}, which is not after {self.start}")
        return self
