"""A shop whose platform tells of itself, with assets beside it that can fail."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.dbt_build import build_once
from tests.orchestration_assets.corner_shop import prepare
from tests.orchestration_assets.location import SNAPSHOT, fork, make_quick_home
from tests.orchestration_assets.platform import weather
from tests.orchestration_assets.platform.told_shop import ToldShop


@pytest.fixture(autouse=True)
def _fair_weather() -> None:
    weather.FAILS.clear()
    weather.MADE.clear()


@pytest.fixture(scope="session")
def built_platform(shared_folder: Path) -> Path:
    """The shop after dbt, the snapshot, its metrics and the assets beside it ran in Dagster, once."""

    def build(folder: Path) -> None:
        prepare(folder)
        make_quick_home(folder)
        with ToldShop(folder) as shop:
            ran = shop.run([*shop.dbt_keys, SNAPSHOT, *shop.metric_keys])
            assert ran.success, ran.failures

    return build_once(shared_folder / "told_shop", build)


@pytest.fixture
def shop(built_platform: Path, tmp_path: Path) -> Iterator[ToldShop]:
    with ToldShop(fork(built_platform, tmp_path / "shop")) as opened:
        yield opened
