"""Assets that are hard to make again: guarded by a check, of partitions, of graphs."""

import dagster as dg

from tests.orchestration_assets.platform import weather

GUARD = "guard"
DAILY = dg.DailyPartitionsDefinition("2024-01-01", end_date="2024-01-10")


def _make(name: str) -> None:
    weather.MADE.append(name)
    if name in weather.FAILS:
        raise ConnectionError(weather.FAILS[name])


@dg.asset(key="guarded", check_specs=[dg.AssetCheckSpec("good", asset="guarded", blocking=True)])
def guarded():  # type: ignore[no-untyped-def]
    _make("guarded")
    good = dg.AssetCheckResult(check_name="good", passed=GUARD not in weather.FAILS)
    yield dg.MaterializeResult("guarded", check_results=[good])


@dg.asset(key="below", deps=["guarded"])
def below() -> None:
    _make("below")


@dg.asset(key="weekly", partitions_def=dg.WeeklyPartitionsDefinition("2024-01-01"))
def weekly() -> None:
    _make("weekly")


@dg.asset(key="daily", deps=[dg.AssetDep("weekly")], partitions_def=DAILY)
def daily() -> None:
    _make("daily")


@dg.op
def drawn() -> int:
    _make("graphed")
    return 1


@dg.graph_asset(key="graphed")
def graphed() -> int:
    return drawn()


DEFINITIONS = dg.Definitions(assets=[guarded, below, weekly, daily, graphed])
