"""A way to a Postgres server on which the reply to a commit can be lost."""

import selectors
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import sqlalchemy as sa

_COMMIT = b"COMMIT\0"


class LosesReplies:
    """Hands on what client and server say. While `is_losing` is set, a commit reaches the server, and no reply comes back."""

    def __init__(self, server: str) -> None:
        self._server = server
        self.is_losing = threading.Event()
        self.lost = 0

    def carry(self, client: socket.socket) -> None:
        """One connection, until one side ends it or a reply is lost."""
        with client, socket.socket(socket.AF_UNIX) as server:
            server.connect(self._server)
            other = {client: server, server: client}
            with selectors.DefaultSelector() as ready:
                for side in other:
                    ready.register(side, selectors.EVENT_READ)
                while True:
                    for key, _ in ready.select():
                        side: socket.socket = key.fileobj  # type: ignore[assignment]
                        said = side.recv(65_536)
                        if not said:
                            return
                        other[side].sendall(said)
                        if side is client and _COMMIT in said and self.is_losing.is_set():
                            self.lost += 1
                            server.recv(65_536)
                            return


@contextmanager
def losing_replies(url: str, folder: Path) -> Iterator[tuple[str, LosesReplies]]:
    """The URL of the same database by such a way. `folder` is where its socket is, a short one."""
    named = sa.make_url(url)
    carrier = LosesReplies(f"{named.query['host']}/.s.PGSQL.5432")
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(f"{folder}/.s.PGSQL.5432")
        listening.listen()
        listening.settimeout(0.1)
        is_over = threading.Event()

        def listen() -> None:
            while not is_over.is_set():
                try:
                    client, _ = listening.accept()
                except TimeoutError:
                    continue
                threading.Thread(target=carrier.carry, args=(client,), daemon=True).start()

        listener = threading.Thread(target=listen)
        listener.start()
        try:
            yield (
                named.set(query={"host": str(folder)}).render_as_string(hide_password=False),
                carrier,
            )
        finally:
            is_over.set()
            listener.join()
