"""Every store that a ledger can have."""

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from semantic.ledger import Ledger
from tests.semantic.ledger.months import Kept, opened, write

OpenLedger = Callable[[], Ledger]


@pytest.fixture
def open_ledger(place: Path | str) -> Iterator[OpenLedger]:
    """Opens the same ledger again at each call, as another process would."""
    opened: list[Ledger] = []
    key = Ed25519PrivateKey.generate()

    def open_ledger() -> Ledger:
        opened.append(Ledger.open(place, key=key))
        return opened[-1]

    yield open_ledger
    for ledger in opened:
        ledger.close()


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a ledger of which nothing was archived."""
    folder = tmp_path_factory.mktemp("written")
    write(opened(folder / "ledger.db", folder / "archive")).ledger.close()
    return folder


@pytest.fixture
def folder(written: Path, tmp_path: Path) -> Path:
    return shutil.copytree(written, tmp_path / "ledger")


@pytest.fixture
def kept(folder: Path) -> Iterator[Kept]:
    found = opened(folder / "ledger.db", folder / "archive")
    yield found
    found.ledger.close()


@pytest.fixture(params=["sqlite", "postgres"])
def on_each_store(request: pytest.FixtureRequest, folder: Path) -> Iterator[Kept]:
    place: Path | str = folder / "ledger.db"
    if request.param == "postgres":
        place = request.getfixturevalue("postgres").new_ledger()
    found = opened(place, folder / "archive")
    yield found if request.param == "sqlite" else write(found)
    found.ledger.close()
