"""A command `dbt` that begins at once: its process is forked from one that has loaded dbt, which takes longer than building a small
project.

What runs is dbt's own command, in a process of its own, with the arguments, folder, environment and standard streams of its client,
which it does not outlive. One server works for all processes of a test session, and ends when the last of them has.
"""

import fcntl
import json
import os
import select
import signal
import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from functools import cache
from importlib import import_module
from importlib.metadata import version
from pathlib import Path
from typing import Any

from tests.dbt_client import SOCKET

ROOT = Path(__file__).parents[1]
PARSED = ROOT / "tests" / "projects" / "shop"
LOOKS_EVERY_SECONDS = 1.0
COMMAND = f"""#!{sys.executable} -PSE
import sys
if sys.argv[1:] == ["--version"]: # which dagster-dbt asks before each run
    sys.exit(print("installed:", {{version!r}}))
sys.path.append({str(ROOT)!r})
from tests.dbt_client import ask
ask({{folder!r}})
"""


@contextmanager
def in_use(folder: Path) -> Iterator[None]:
    """While the block runs, the server of this folder does not end."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "users").open("a") as users:
        fcntl.flock(users, fcntl.LOCK_SH)
        yield


def write_dbt(folder: Path) -> None:
    """The command `dbt` in a folder that is in use, and its server."""
    (folder / "dbt").write_text(COMMAND.format(version=version("dbt-core"), folder=str(folder)))
    (folder / "dbt").chmod(0o755)
    with (folder / "server.log").open("w") as log:
        subprocess.run(
            [sys.executable, "-m", __name__, folder],
            cwd=ROOT,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            check=True,
        )


def serve(folder: str) -> None:
    """Forks a process for each client until the folder is no longer in use. Returns in these processes, each ready to be dbt."""
    os.chdir(folder)
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    with socket.socket(socket.AF_UNIX) as listener, Path("users").open("a") as users:
        listener.bind(SOCKET)
        listener.listen(64)
        if os.fork() != 0:
            os._exit(0)
        os.setsid()
        while _is_in_use(users.fileno()):
            if not select.select([listener], [], [], LOOKS_EVERY_SECONDS)[0]:
                continue
            client, _ = listener.accept()
            _load_dbt()
            if os.fork() == 0:
                break
            client.close()
        else:
            os._exit(0)
    _attend(client)


def _is_in_use(users: int) -> bool:
    try:
        fcntl.flock(users, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    return False


@cache
def _load_dbt() -> None:
    """Loads what dbt would load in every process: modules, and what parsing a project makes of them. Without the static parser, whose
    threads a fork would wait for: it has none of them.
    """
    from dbt.cli.main import dbtRunner

    import_module("dbt.task.build")
    where = ["--project-dir", PARSED, "--profiles-dir", PARSED, "--no-static-parser"]
    with tempfile.TemporaryDirectory() as to:
        there = ["--target-path", to, "--log-path", to, "--log-level-file", "none"]
        done = dbtRunner().invoke(["--quiet", "parse", *map(str, where + there)])
    assert done.success, done.exception
    threads = Path("/proc/self/task")
    assert not threads.exists() or len(list(threads.iterdir())) == 1


def _attend(client: socket.socket) -> None:
    """Forks the process that the client wants, in which this returns, and tells the client of it until one of both ends."""
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    _, streams, _, _ = socket.recv_fds(client, 1, 3)
    told = client.makefile("rw")
    request = json.loads(told.readline())
    dbt = os.fork()
    if dbt == 0:
        told.close()
        client.close()
        return _become(request, streams)
    print(dbt, file=told, flush=True)

    def watch() -> None:
        told.read()
        with suppress(ProcessLookupError):
            os.kill(dbt, signal.SIGKILL)

    threading.Thread(target=watch, daemon=True).start()
    _, status = os.waitpid(dbt, 0)
    client.sendall(b"%d\n" % os.waitstatus_to_exitcode(status))
    os._exit(0)


def _become(request: Mapping[str, Any], streams: list[int]) -> None:
    """Makes this process what the client is."""
    for number, stream in enumerate(streams):
        os.dup2(stream, number)
        os.close(stream)
    os.chdir(request["folder"])
    os.environ.clear()
    os.environ.update(request["environment"])
    sys.argv[1:] = request["arguments"]
    signal.signal(signal.SIGINT, signal.default_int_handler)


if __name__ == "__main__":
    serve(sys.argv[1])
    from dbt.cli.main import cli

    sys.exit(cli(prog_name="dbt"))
