"""Assets of a team beside the shop's, that fail when a test says so."""

import os
from pathlib import Path

import dagster as dg

STORMS = "STORMS_OF_WEATHER"
SECRET = "hunter2-of-the-warehouse"
FAILS: dict[str, str] = {}
MADE: list[str] = []


def _make(name: str) -> None:
    MADE.append(name)
    if STORMS in os.environ and (Path(os.environ[STORMS]) / name).exists():
        raise ConnectionError(f"2: a storm over {name}")
    if name in FAILS:
        raise ConnectionError(FAILS[name])


@dg.asset(key="exported", group_name="exports", code_version="1")
def exported() -> None:
    _make("exported")


@dg.asset(key="mailed", deps=["exported"], group_name="exports", code_version="1")
def mailed() -> None:
    _make("mailed")


@dg.multi_asset(
    specs=[dg.AssetSpec("first_half"), dg.AssetSpec("second_half", deps=["first_half"])],
    can_subset=True,
)
def halves(context: dg.AssetExecutionContext):  # type: ignore[no-untyped-def]
    for name in ("first_half", "second_half"):
        if dg.AssetKey(name) in context.selected_asset_keys:
            _make(name)
            yield dg.MaterializeResult(name)


DEFINITIONS = dg.Definitions(assets=[exported, mailed, halves])
