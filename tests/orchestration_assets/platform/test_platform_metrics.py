"""Dagster's own health as governed metrics: read through the same door, published beside the data of the dbt project."""

import dagster as dg

from tests.orchestration_assets.platform import weather
from tests.orchestration_assets.platform.told_shop import FAILURES, ToldShop


def test_a_failed_run_is_published_at_once_and_told_through_the_door(shop: ToldShop) -> None:
    assert shop.run([dg.AssetKey("exported"), dg.AssetKey("mailed")]).success
    ran = shop.fail("exported", "mailed", message=f"password={weather.SECRET}\nsecond line")
    before = shop.current
    tick = shop.refresh()
    assert len(tick.requests) == 1
    [failure] = shop.ask(FAILURES)
    assert failure["dagster_failure__run"] == ran.run_id
    assert failure["dagster_failure__asset"] == "exported"
    assert failure["dagster_failure__error_class"] == "ConnectionError"
    assert failure["dagster_failure__message"] == "password=[credential] | second line"
    assert failure["dagster_failure__definition"] == "unchanged"
    assert failure["dagster_failure__upstream"] == "fresh"
    assert failure["dagster_failures"] == 1
    after = shop.current
    assert after.is_of_platform
    assert not before.is_of_platform
    assert "No run has ended since" in shop.refresh().skipped
