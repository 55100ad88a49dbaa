"""The corner shop in the folder that `CORNER_SHOP` names, as the daemon loads it: with sensors that look every second."""

import os
from pathlib import Path

import dagster as dg

from tests.orchestration_assets.corner_shop import build_definitions


@dg.definitions
def defs() -> dg.Definitions:
    """One process per run is enough here: each step in one of its own would take as long again."""
    return dg.Definitions.merge(
        build_definitions(Path(os.environ["CORNER_SHOP"]), sensor_interval_seconds=1),
        dg.Definitions(executor=dg.in_process_executor),
    )
