"""The server over standard input and output: one client, who is whom the configuration says."""

import anyio
from mcp.server.stdio import stdio_server

from agent_resources.mcp_server.at_the_door import AtTheDoor
from agent_resources.mcp_server.principal import Principal
from agent_resources.mcp_server.refused_calls import RefusedCalls
from agent_resources.mcp_server.served_metrics import ServedMetrics
from agent_resources.mcp_server.server import build_server
from semantic.published_metrics import PublishedMetrics


def serve_stdio(published: PublishedMetrics, name: str, *, acting_for: str | None = None) -> None:
    """Serves until the input ends. Raises `LedgerUnavailable` where the end of the session cannot be put on record."""
    principal = Principal(name=name, acting_for=acting_for, evidence={"by": "configuration"})
    door = AtTheDoor(ServedMetrics(published), RefusedCalls(published.ledger))
    server = build_server(door, lambda _: principal)

    async def serve() -> None:
        async with stdio_server() as (received, sent):
            await server.run(received, sent, server.create_initialization_options())

    try:
        anyio.run(serve)
    finally:
        door.close()
