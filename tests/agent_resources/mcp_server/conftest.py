"""The shop, served."""

import pytest

from semantic.ledger import Ledger
from semantic.snapshot import SnapshotStore
from tests.agent_resources.mcp_server.serving import Served
from tests.semantic.door import RememberingEngine


@pytest.fixture
def served(ledger: Ledger, published: SnapshotStore, engine: RememberingEngine) -> Served:
    found = Served(ledger, published, engine)
    found.publish_policy()
    return found
