"""The server of the Model Context Protocol over governed metrics, for any transport."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from importlib.metadata import version
from typing import Any, get_args

import anyio
from mcp.server.caching import CacheableMethod, CacheHint
from mcp.server.context import ServerRequestContext
from mcp.server.lowlevel.server import Server

from agent_resources.mcp_server.at_the_door import AtTheDoor
from agent_resources.mcp_server.handlers import Handlers
from agent_resources.mcp_server.metric_changes import MetricChanges
from agent_resources.mcp_server.principal import Principal
from agent_resources.mcp_server.tools import input_schema, prompt

NAME = "governed-metrics"
_SWEEP_SECONDS = 15.0


def build_server(
    door: AtTheDoor, who: Callable[[ServerRequestContext[Any, Any]], Principal]
) -> Server[None]:
    """A server that answers to whom `who` says. While it runs, sessions that are over end and subscribers are told of changes."""
    changes = MetricChanges(door)
    handlers = Handlers(door, who, changes)

    @asynccontextmanager
    async def lifespan(_: Server[None]) -> AsyncIterator[None]:
        async with anyio.create_task_group() as group:
            group.start_soon(changes.run)
            group.start_soon(_sweep, door)
            try:
                yield
            finally:
                group.cancel_scope.cancel()

    return Server(
        NAME,
        version=version("dagster-governed-agents"),
        title="Governed metrics",
        instructions=prompt("instructions"),
        lifespan=lifespan,
        # What one may see is not what another may: nothing may be kept for somebody else, and nothing for long.
        cache_hints={
            method: CacheHint(ttl_ms=0, scope="private") for method in get_args(CacheableMethod)
        },
        get_tool_input_schema=input_schema,
        on_list_tools=handlers.list_tools,
        on_call_tool=handlers.call_tool,
        on_list_resources=handlers.list_resources,
        on_list_resource_templates=handlers.list_resource_templates,
        on_read_resource=handlers.read_resource,
        on_subscribe_resource=handlers.subscribe,
        on_unsubscribe_resource=handlers.unsubscribe,
        on_subscriptions_listen=handlers.listen,
        on_list_prompts=handlers.list_prompts,
        on_get_prompt=handlers.get_prompt,
    )


async def _sweep(door: AtTheDoor) -> None:
    """Ends sessions that are over, and writes how many calls were refused, until it is cancelled."""
    while True:
        await anyio.sleep(_SWEEP_SECONDS)
        await door.beside(door.sweep)
