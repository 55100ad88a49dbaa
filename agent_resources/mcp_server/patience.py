"""Clients that send or read too slowly, or send too much: they keep a connection, and no longer than is fair."""

import anyio
from starlette.types import ASGIApp, Message, Receive, Scope, Send


class Patience:
    """Ends requests whose body does not come, or whose answer is not taken, within so many seconds for each part."""

    def __init__(self, app: ASGIApp, seconds: float) -> None:
        self._app = app
        self._seconds = seconds

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        has_body = False

        async def received() -> Message:
            nonlocal has_body
            if has_body:
                return await receive()
            with anyio.fail_after(self._seconds):
                message = await receive()
            has_body = message["type"] == "http.request" and not message.get("more_body", False)
            return message

        async def sent(message: Message) -> None:
            with anyio.fail_after(self._seconds):
                await send(message)

        await self._app(scope, received, sent)
