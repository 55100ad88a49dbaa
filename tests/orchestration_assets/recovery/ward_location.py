"""The shop with a doctor in the folder that `WARD` names, as the daemon loads it: with sensors that look every second."""

import os
from pathlib import Path

import dagster as dg

from tests.orchestration_assets.recovery import scripts
from tests.orchestration_assets.recovery.ward import ONCE, Ward


@dg.definitions
def defs() -> dg.Definitions:
    scripts.PROPOSED[:] = [("retry", {})]
    ward = Ward(Path(os.environ["WARD"]), unattended=ONCE, sensor_interval_seconds=1)
    ward.instance.dispose()
    return dg.Definitions.merge(ward.definitions, dg.Definitions(executor=dg.in_process_executor))
