"""A shop with a doctor, who looks after what fails in Dagster."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.orchestration_assets.location import fork
from tests.orchestration_assets.platform import weather
from tests.orchestration_assets.platform.told_shop import build_platform
from tests.orchestration_assets.recovery import scripts
from tests.orchestration_assets.recovery.ward import Ward

Open = Callable[..., Ward]


@pytest.fixture(scope="session")
def built_platform(shared_folder: Path) -> Path:
    return build_platform(shared_folder)


@pytest.fixture
def ward(built_platform: Path, tmp_path: Path) -> Iterator[Open]:
    """Opens the shop with a doctor of this `recovery`, who proposes these remedies, under these rules on tools."""
    opened: list[Ward] = []
    weather.FAILS.clear()
    weather.MADE.clear()

    def begin(*remedies: tuple[str, dict[str, Any]], unattended: str = "", **recovery: Any) -> Ward:
        scripts.PROPOSED[:] = remedies
        shop = Ward(fork(built_platform, tmp_path / "shop"), unattended=unattended, **recovery)
        opened.append(shop)
        shop.settle()
        return shop

    yield begin
    for shop in opened:
        shop.instance.dispose()
