"""The corner shop in the folder that `CORNER_SHOP` names, as the daemon loads it: with sensors that look every second."""

import os
from pathlib import Path

import dagster as dg

from tests.orchestration_assets.corner_shop import build_definitions


@dg.definitions
def defs() -> dg.Definitions:
    return build_definitions(Path(os.environ["CORNER_SHOP"]), sensor_interval_seconds=1)
