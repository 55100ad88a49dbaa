"""Every store that a ledger can have."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from semantic.ledger import Ledger
from tests.postgres import PostgresServer

OpenLedger = Callable[[], Ledger]


@pytest.fixture(params=["sqlite", "postgres"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Path | str:
    """Where a ledger is, empty: a file or a URL."""
    if request.param == "sqlite":
        return tmp_path / "ledger.db"
    server: PostgresServer = request.getfixturevalue("postgres")
    return server.new_ledger()


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
