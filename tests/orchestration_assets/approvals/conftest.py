"""A shop whose boss proposes to ring and to write, and a person who is known by a token."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.orchestration_assets.approvals import outside, scripts
from tests.orchestration_assets.approvals.watched import Watched
from tests.orchestration_assets.corner_shop import CORNER
from tests.orchestration_assets.location import fork
from tests.orchestration_assets.triggers.playing import write_agents

Open = Callable[..., Watched]
TOOLS = [
    {"call": "tests.orchestration_assets.approvals.outside:ring", "effect": "write"},
    {"call": "tests.orchestration_assets.approvals.outside:write_to", "effect": "write"},
]
GRANT = "\ntools:\n  - {permit: the boss rings, readers: ['boss*'], tools: [ring, ring_later, write_to]}\n"


@pytest.fixture
def watch(built_shop: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Open]:
    """Opens the shop with a boss of this `approval`, who has decided and proposed what is in `calls`."""
    monkeypatch.setenv(outside.CALLS, str(tmp_path / "calls"))
    opened: list[Watched] = []

    def begin(
        *calls: tuple[str, dict[str, Any]],
        approval: dict[str, Any] | None = None,
        runs: bool = True,
        tools: list[dict[str, str]] | None = None,
    ) -> Watched:
        agents = write_agents(
            tmp_path / "agents",
            {"boss": {}},
            owner="ana@example.com",
            tools=TOOLS if tools is None else tools,
            approval=approval or {},
        )
        script = agents / "boss.yaml"
        script.write_text(script.read_text().replace("scripts:boss", "approvals.scripts:proposing"))
        policy = tmp_path / "policy.yaml"
        policy.write_text((CORNER / "policy.yaml").read_text() + GRANT)
        scripts.PROPOSED[:] = calls
        shop = Watched(fork(built_shop, tmp_path / "shop"), agents, policy=policy)
        opened.append(shop)
        shop.look()
        shop.publish()
        if runs:
            shop.run_boss()
        return shop

    yield begin
    for shop in opened:
        shop.instance.dispose()
