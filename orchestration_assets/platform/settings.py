"""How often what Dagster tells of itself is published."""

import dagster as dg
from pydantic import ConfigDict, Field


class PlatformSettings(dg.Config, dg.Resolvable):
    """Dagster's own health as governed metrics, and how old these may be."""

    model_config = ConfigDict(extra="forbid")

    at_most_every_minutes: float = Field(
        default=5,
        ge=0,
        le=1_440,
        description="Runs that ended well are published at most so often; a run that failed is published at once.",
    )
    at_least_every_minutes: float = Field(
        default=60,
        gt=0,
        le=10_080,
        description="What stands, as the age of assets and runs that wait, is published so often also where no run has ended.",
    )
