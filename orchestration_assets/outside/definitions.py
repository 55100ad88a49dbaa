"""What a code location has of agents outside: their assets, and the sensor that observes what they read."""

from collections.abc import Mapping, Sequence

import dagster as dg

from orchestration_assets.outside.outside_agents import ReadableAgent, outside_agent_specs
from orchestration_assets.outside.outside_reads import build_outside_reads_sensor


def build_outside_definitions(
    agents: Sequence[ReadableAgent],
    metric_keys: Mapping[str, dg.AssetKey],
    *,
    resource_key: str,
    default_status: dg.DefaultSensorStatus,
) -> dg.Definitions:
    """The assets of agents outside, and the sensor; nothing where there are none."""
    if not agents:
        return dg.Definitions()
    return dg.Definitions(
        assets=outside_agent_specs(agents, metric_keys),
        sensors=[
            build_outside_reads_sensor(
                [it.agent for it in agents],
                metric_keys,
                resource_key=resource_key,
                default_status=default_status,
            )
        ],
    )
