"""A server over the shop, and clients that call it in the same process through the protocol."""

import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any, TypeVar

import anyio
from mcp.client.client import Client
from mcp_types import CallToolResult, TextContent

from agent_resources.mcp_server.at_the_door import AtTheDoor, CallLimits
from agent_resources.mcp_server.principal import Principal
from agent_resources.mcp_server.refused_calls import RefusedCalls
from agent_resources.mcp_server.scopes import Scopes
from agent_resources.mcp_server.served_metrics import ServedMetrics
from agent_resources.mcp_server.server import build_server
from agent_resources.mcp_server.sessions import SessionLimits, Sessions
from semantic.engine import MetricEngine
from semantic.ledger import Ledger
from semantic.ledger.chain import content_of
from semantic.ledger.schema import records
from semantic.policy_check import check_policy
from semantic.policy_file import parse_policy, policy_text
from semantic.published_metrics import PublishedMetrics
from semantic.snapshot import SnapshotStore
from tests.semantic.door import POLICY

ResultT = TypeVar("ResultT")
DESK = Principal(name="analyst_desk", evidence={"by": "configuration"})
BOSS = Principal(name="boss", evidence={"by": "configuration"})
NORTH = Principal(name="north", evidence={"by": "configuration"})
ERAS = ("auto", "legacy")


@dataclass
class Served:
    """The shop's metrics as a server has them. `now` is what its clock says."""

    ledger: Ledger
    snapshots: SnapshotStore
    engine: MetricEngine
    scopes: Scopes | None = None
    limits: CallLimits | None = None
    now: float = 0.0
    door: AtTheDoor = field(init=False)

    def __post_init__(self) -> None:
        published = PublishedMetrics(
            ledger=self.ledger,
            snapshots=self.snapshots,
            engine=lambda _: self.engine,
            mask_key="a key of the tests",
        )
        sessions = Sessions(
            self.ledger, SessionLimits(idle=300, longest=3_600), clock=lambda: self.now
        )
        refused = RefusedCalls(self.ledger, clock=lambda: self.now)
        served = ServedMetrics(published, sessions=sessions, scopes=self.scopes)
        self.door = AtTheDoor(served, refused, self.limits)

    def publish_policy(self, text: str = POLICY) -> None:
        policy = parse_policy(text)
        check_policy(policy, self.snapshots.catalog(self.snapshots.current().version))
        self.ledger.publish_policy(policy.hash, policy_text(policy), by="tests", run_id=None)

    def ask(
        self,
        act: Callable[[Client], Awaitable[ResultT]],
        who: Principal = DESK,
        *,
        era: Any = "auto",
    ) -> ResultT:
        """What a client of the official SDK gets, through the whole protocol."""

        async def asking() -> ResultT:
            with anyio.fail_after(60):
                async with Client(build_server(self.door, lambda _: who), mode=era) as client:
                    return await act(client)

        return anyio.run(asking)

    def call(self, tool: str, who: Principal = DESK, /, **arguments: Any) -> CallToolResult:
        return self.ask(lambda client: client.call_tool(tool, arguments), who)

    def records(self, kind: str) -> list[dict[str, Any]]:
        with self.ledger.reading() as connection:
            rows = connection.execute(records.select().where(records.c.kind == kind)).all()
        return [dict(content_of(row.body)) for row in rows]


def text_of(result: CallToolResult) -> dict[str, Any]:
    """What a model reads of a result."""
    [content] = result.content
    assert isinstance(content, TextContent)
    found = json.loads(content.text)
    assert isinstance(found, dict)
    return found


def refused(result: CallToolResult) -> dict[str, Any]:
    assert result.is_error
    assert result.structured_content == text_of(result)
    return text_of(result)


def told(result: CallToolResult) -> dict[str, Any]:
    assert not result.is_error, result
    assert result.structured_content is not None
    return result.structured_content
