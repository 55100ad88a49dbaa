"""What a code location says of its OpenLineage events. The client that sends them need not be installed where there are none."""

from importlib.util import find_spec

import dagster as dg
from pydantic import ConfigDict, Field

from orchestration_assets.errors import DefinitionsError


class OpenLineageSettings(dg.Config, dg.Resolvable):
    """Where OpenLineage events are sent, and how agents, metrics and tables are called there."""

    model_config = ConfigDict(extra="forbid")

    to: str = Field(
        description="A file, an address like http://host:5000, or `configured`: what OPENLINEAGE_URL, OPENLINEAGE_CONFIG or openlineage.yml say.",
        examples=["configured"],
    )
    namespace: str = Field(default="governed_agents", description="That of agents and metrics.")
    tables: str = Field(
        default="",
        description="That of the warehouse, as your dbt integration calls it; by default duckdb:// and the name of the database.",
        examples=["duckdb:///data/shop.duckdb"],
    )
    every_seconds: int = Field(default=30, ge=1, description="How often the sensor looks.")


def openlineage_definitions(
    settings: OpenLineageSettings | None,
    *,
    resource_key: str,
    default_status: dg.DefaultSensorStatus,
) -> dg.Definitions:
    """The sensor that sends events; nothing where nobody asked for them. Raises `DefinitionsError` where the client is not installed."""
    if settings is None:
        return dg.Definitions()
    if find_spec("openlineage") is None:
        raise DefinitionsError(
            "OpenLineage events need the OpenLineage client",
            hint="install dagster-governed-agents[openlineage], or remove openlineage",
        )
    from orchestration_assets.openlineage_sensor import build_openlineage_sensor

    sensor = build_openlineage_sensor(
        settings.to,
        namespace=settings.namespace,
        tables=settings.tables,
        resource_key=resource_key,
        minimum_interval_seconds=settings.every_seconds,
        default_status=default_status,
    )
    return dg.Definitions(sensors=[sensor])
