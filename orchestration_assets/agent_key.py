"""How the asset of an agent is called."""

import dagster as dg


def agent_asset_key(name: str) -> dg.AssetKey:
    """The key of an agent's asset."""
    return dg.AssetKey(["agents", name])
