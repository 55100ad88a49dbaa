"""What the agents of these tests would do outside: each call is a line in a file."""

import json
import os
from pathlib import Path
from typing import Any

CALLS = "CALLS_OF_OUTSIDE"


def _note(call: dict[str, Any]) -> int:
    path = Path(os.environ[CALLS])
    with path.open("a") as file:
        file.write(json.dumps(call) + "\n")
    return len(path.read_text().splitlines())


def calls() -> list[dict[str, Any]]:
    path = Path(os.environ[CALLS])
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def ring(whom: str, how_often: int = 1) -> str:
    """Rings somebody's telephone."""
    number = _note({"rang": whom, "times": how_often})
    if whom == "nobody":
        raise ValueError("nobody has no telephone")
    return f"call {number}"


def write_to(whom: str, idempotency_key: str) -> dict[str, str]:
    """Writes to somebody."""
    _note({"wrote": whom, "key": idempotency_key})
    return {"sent": whom}


async def ring_later(whom: str) -> str:
    """Rings somebody's telephone, when there is time."""
    _note({"rang": whom, "later": True})
    return "rang"
