"""Tools as an agent's author may write them, and some that nobody should."""

import time
from typing import Any

CALLS: list[tuple[str, Any]] = []


def miles_in_kilometres(miles: float) -> float:
    """How many kilometres some miles are."""
    CALLS.append(("miles_in_kilometres", miles))
    return round(miles * 1.609344, 3)


async def look_up(place: str, days: int = 1) -> dict[str, Any]:
    """What the weather is like at a place, over some days."""
    CALLS.append(("look_up", place))
    return {"place": place, "days": days, "sky": "clear"}


def open_ticket(text: str) -> str:
    """Opens a ticket, and returns its number."""
    CALLS.append(("open_ticket", text))
    return "T-1"


def fail(secret: str) -> str:
    """Always fails."""
    raise RuntimeError(f"cannot reach it with {secret}")


def sleep_long(seconds: float) -> str:
    """Takes its time."""
    CALLS.append(("sleep_long", seconds))
    time.sleep(seconds)
    return "awake"


def return_no_json() -> object:
    """Returns what is no JSON."""
    return object()


def return_much() -> str:
    """Returns very much."""
    return "x" * 200_000


def return_surrogate(text: str) -> str:
    """Returns half of a pair."""
    return f"{text} \ud800"


def remember_fact(fact: str) -> str:
    """Has the name of a tool of the memory."""
    return fact


def say_nothing(x: int) -> int:
    return x


def untyped(x) -> int:  # type: ignore[no-untyped-def]
    """Takes anything."""
    return int(x)


def any_number(*numbers: float) -> float:
    """Adds numbers up."""
    return sum(numbers)


def takes_a_thing(thing: "threading.Lock") -> str:  # type: ignore[name-defined]  # noqa: F821
    """Takes what JSON does not have."""
    return str(thing)


def query_metrics(metrics: str) -> str:
    """Would stand in the way of the real one."""
    return metrics


NUMBER = 5
