"""What the server answers to each method of the protocol. All of it is the caller's own: no list and no answer may be kept for another."""

import hashlib
import logging
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import Any, NoReturn, TypeVar

import anyio
import mcp_types as types
from mcp.server.context import ServerRequestContext
from mcp.shared.exceptions import MCPError
from pydantic import BaseModel

from agent_resources.mcp_server import metric_prompts, metric_resources
from agent_resources.mcp_server.at_the_door import AtTheDoor, TooMany
from agent_resources.mcp_server.caller import Caller
from agent_resources.mcp_server.metric_changes import MetricChanges
from agent_resources.mcp_server.pages import page_of
from agent_resources.mcp_server.principal import Principal
from agent_resources.mcp_server.results import Result, told
from agent_resources.mcp_server.tools import tools
from semantic.answer import Reason, Refusal
from semantic.canonical import canonical_json
from semantic.errors import GovernedMetricsError, LedgerUnavailable, SnapshotUnavailable

Context = ServerRequestContext[Any, Any]
ResultT = TypeVar("ResultT")
_LOG = logging.getLogger(__name__)
LISTING = "dagster-governed-agents/sha256"
_PROGRESS_SECONDS = 1.0
_NOT_THERE = "There is nothing of this name for you"


class Handlers:
    """The methods of the protocol for everybody who calls. `who` says whose request one is."""

    def __init__(
        self, door: AtTheDoor, who: Callable[[Context], Principal], changes: MetricChanges
    ) -> None:
        self._door = door
        self._who = who
        self._changes = changes

    async def list_tools(
        self, _: Context, params: types.PaginatedRequestParams | None
    ) -> types.ListToolsResult:
        page, cursor = page_of(tools(), params.cursor if params else None)
        return types.ListToolsResult(tools=page, next_cursor=cursor, _meta=_pinned(tools()))

    async def call_tool(
        self, context: Context, params: types.CallToolRequestParams
    ) -> types.CallToolResult:
        async with anyio.create_task_group() as group:
            group.start_soon(_tell_progress, context)
            result = await self._result(context, params.name, params.arguments or {})
            group.cancel_scope.cancel()
        return types.CallToolResult(
            content=[types.TextContent(text=result.as_text)],
            structured_content=dict(result.structured),
            is_error=result.is_refusal,
        )

    async def _result(self, context: Context, tool: str, arguments: Mapping[str, Any]) -> Result:
        """What a tool answers. An error of ours is told in no more words than that there was one."""
        try:
            return await self._call(context, lambda caller: caller.call(tool, arguments))
        except GovernedMetricsError as error:
            _LOG.warning("a call did not come to the door: %s", error)
            return _closed(error)
        except Exception:
            _LOG.exception("the call of a tool failed")
            return told(Refusal(reason=Reason.QUERY_FAILED, message="The call failed"))

    async def list_resources(
        self, context: Context, params: types.PaginatedRequestParams | None
    ) -> types.ListResourcesResult:
        listed = await self._ask(context, metric_resources.listed)
        page, cursor = page_of(listed, params.cursor if params else None)
        return types.ListResourcesResult(resources=page, next_cursor=cursor, _meta=_pinned(listed))

    async def list_resource_templates(
        self, _: Context, params: types.PaginatedRequestParams | None
    ) -> types.ListResourceTemplatesResult:
        listed = [metric_resources.template()]
        page, cursor = page_of(listed, params.cursor if params else None)
        return types.ListResourceTemplatesResult(
            resource_templates=page, next_cursor=cursor, _meta=_pinned(listed)
        )

    async def read_resource(
        self, context: Context, params: types.ReadResourceRequestParams
    ) -> types.ReadResourceResult:
        def read(caller: Caller) -> types.TextResourceContents:
            return metric_resources.contents(caller, params.uri) or _refuse(
                caller, "resources/read", params.uri
            )

        return types.ReadResourceResult(contents=[await self._ask(context, read)])

    async def list_prompts(
        self, context: Context, params: types.PaginatedRequestParams | None
    ) -> types.ListPromptsResult:
        listed = await self._ask(context, metric_prompts.listed)
        page, cursor = page_of(listed, params.cursor if params else None)
        return types.ListPromptsResult(prompts=page, next_cursor=cursor, _meta=_pinned(listed))

    async def get_prompt(
        self, context: Context, params: types.GetPromptRequestParams
    ) -> types.GetPromptResult:
        def found(caller: Caller) -> str:
            try:
                text = metric_prompts.text_of(caller, params.name, params.arguments or {})
            except ValueError as error:
                raise MCPError(types.INVALID_PARAMS, str(error)) from error
            return text or _refuse(caller, "prompts/get", params.name)

        content = types.TextContent(text=await self._ask(context, found))
        return types.GetPromptResult(messages=[types.PromptMessage(role="user", content=content)])

    async def subscribe(
        self, context: Context, params: types.SubscribeRequestParams
    ) -> types.EmptyResult:
        await self._ask(context, lambda it: _readable_uri(it, params.uri, "resources/subscribe"))
        await self._changes.subscribe(
            self._who(context), context.session, _connection(context), params.uri
        )
        return types.EmptyResult()

    async def unsubscribe(
        self, context: Context, params: types.UnsubscribeRequestParams
    ) -> types.EmptyResult:
        self._changes.unsubscribe(self._who(context), _connection(context), params.uri)
        return types.EmptyResult()

    async def listen(
        self, context: Context, params: types.SubscriptionsListenRequestParams
    ) -> types.SubscriptionsListenResult:
        def readable(caller: Caller) -> list[str]:
            asked = params.notifications.resource_subscriptions or []
            return [uri for uri in asked if metric_resources.is_readable(caller, uri)]

        uris = await self._ask(context, readable)
        honoured = params.notifications.model_copy(update={"resource_subscriptions": uris})
        return await self._changes.listen(
            self._who(context), context, params.model_copy(update={"notifications": honoured})
        )

    async def _call(self, context: Context, act: Callable[[Caller], ResultT]) -> ResultT:
        return await self._door.call(self._who(context), _client(context), act)

    async def _ask(self, context: Context, act: Callable[[Caller], ResultT]) -> ResultT:
        """The same, for what has no result of its own to refuse with."""
        try:
            return await self._call(context, act)
        except GovernedMetricsError as error:
            _LOG.warning("a call did not come to the door: %s", error)
            said = str(_closed(error).structured["message"])
            raise MCPError(types.INTERNAL_ERROR, said) from error
        except MCPError:
            raise
        except Exception as error:
            _LOG.exception("a call failed")
            raise MCPError(types.INTERNAL_ERROR, "The call failed") from error


def _connection(context: Context) -> str:
    """Over which connection of its principal a request came; "" where there is one alone."""
    headers = getattr(context.request, "headers", {})
    return str(headers.get("mcp-session-id", ""))


async def _tell_progress(context: Context) -> None:
    """Tells who asked for it, each second, for how many a call has been under way. How many it will be nobody knows."""
    seconds = 0.0
    # A client that is gone is no reason to end its call here: where that is to end, it is cancelled.
    with suppress(Exception):
        while True:
            await context.session.report_progress(seconds, None, "the metrics are being read")
            await anyio.sleep(_PROGRESS_SECONDS)
            seconds += _PROGRESS_SECONDS


def _client(context: Context) -> Mapping[str, str]:
    """What a client says of itself."""
    params = context.session.client_params
    if params is None:
        return {"protocol": context.protocol_version}
    info = params.client_info
    return {"name": info.name, "version": info.version, "protocol": context.protocol_version}


def _closed(error: GovernedMetricsError) -> Result:
    """The refusal of a call that did not come to the door."""
    match error:
        case LedgerUnavailable():
            reason = Reason.LEDGER_UNAVAILABLE
        case SnapshotUnavailable():
            reason = Reason.NOTHING_PUBLISHED
        case TooMany():
            reason = Reason.TOO_MANY_AT_ONCE
        case _:
            reason = Reason.SOURCE_UNAVAILABLE
    return told(Refusal(reason=reason, message=error.message, hint=error.hint))


def _pinned(items: Sequence[BaseModel]) -> dict[str, Any]:
    """The hash of a whole list as its caller sees it, so that a client can notice that it has changed."""
    plain = [item.model_dump(mode="json", by_alias=True, exclude_none=True) for item in items]
    return {LISTING: hashlib.sha256(canonical_json(plain)).hexdigest()}


def _readable_uri(caller: Caller, uri: str, method: str) -> str:
    return uri if metric_resources.is_readable(caller, uri) else _refuse(caller, method, uri)


def _refuse(caller: Caller, method: str, name: str) -> NoReturn:
    """Puts on record that something is not there, or not the caller's, and raises `MCPError`, the same for both."""
    caller.refuse(method, name, Refusal(reason=Reason.NOT_AVAILABLE, message=_NOT_THERE))
    raise MCPError(types.INVALID_PARAMS, _NOT_THERE)
