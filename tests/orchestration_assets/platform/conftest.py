"""A shop whose platform tells of itself, with assets beside it that can fail."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.orchestration_assets.location import fork
from tests.orchestration_assets.platform import weather
from tests.orchestration_assets.platform.told_shop import ToldShop, build_platform


@pytest.fixture(autouse=True)
def _fair_weather() -> None:
    weather.FAILS.clear()
    weather.MADE.clear()


@pytest.fixture(scope="session")
def built_platform(shared_folder: Path) -> Path:
    return build_platform(shared_folder)


@pytest.fixture
def shop(built_platform: Path, tmp_path: Path) -> Iterator[ToldShop]:
    with ToldShop(fork(built_platform, tmp_path / "shop")) as opened:
        yield opened
