"""What the command `dbt` of the tests does: it has a process of `dbt_server` do what it was called for, and ends as that one ends."""

import json
import os
import signal
import socket
import sys
from pathlib import Path
from typing import NoReturn

SOCKET = "socket"
PASSED_ON = (signal.SIGINT, signal.SIGTERM)


def ask(folder: str) -> NoReturn:
    """Hands the server of a folder all that dbt is called with, and passes signals on to the process that it forks."""
    signal.pthread_sigmask(signal.SIG_BLOCK, PASSED_ON)
    request = {
        "arguments": sys.argv[1:],
        "folder": str(Path.cwd()),
        "environment": dict(os.environ),
    }
    os.chdir(folder)  # the address of a socket must be short
    with socket.socket(socket.AF_UNIX) as server:
        server.connect(SOCKET)
        socket.send_fds(server, [b"\n"], [0, 1, 2])
        with server.makefile("rw") as told:
            print(json.dumps(request), file=told, flush=True)
            dbt = int(told.readline())
            for number in PASSED_ON:
                signal.signal(number, lambda number, _: os.kill(dbt, number))
            signal.pthread_sigmask(signal.SIG_UNBLOCK, PASSED_ON)
            code = int(told.readline())
    if code < 0:
        signal.signal(-code, signal.SIG_DFL)
        os.kill(os.getpid(), -code)
    sys.exit(code)
