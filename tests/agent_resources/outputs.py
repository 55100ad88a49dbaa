"""Types of outputs, as an agent's author may write them."""

from datetime import date
from enum import StrEnum

from pydantic import BaseModel, ConfigDict


class Severity(StrEnum):
    """How bad it is."""

    LOW = "low"
    HIGH = "high"


class Alert(BaseModel):
    """What the people on duty are told."""

    model_config = ConfigDict(extra="forbid")

    severity: Severity
    regions: list[str]
    until: date | None = None


class Opaque(BaseModel):
    """Holds what JSON does not have."""

    model_config = ConfigDict(arbitrary_types_allowed=True)

    thing: object.__class__  # type: ignore[name-defined]


NUMBER = 5
