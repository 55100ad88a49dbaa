"""What the agents of the corner shop do: read every metric that they may, and say how each stands.

What a test or a daemon run wants of them is in files and lists (`stated` is said besides), so that it also reaches a process of its own: a folder that
`CORNER_SHOP_MOOD` names may hold `<agent>.fails` or `<agent>.waits`, and `<agent>.dies`, which kills its process once.
"""

import os
import signal
import time
from collections.abc import Callable, Generator
from pathlib import Path

from agent_resources.decision import Decision, Finding
from agent_resources.errors import ModelUnavailable
from agent_resources.models import Told, ToolStep, list_metrics, query_metrics

LONGEST_WAIT_SECONDS = 600.0
heard: list[Told] = []
before_the_read: list[Callable[[], None]] = []
after_the_read: list[Callable[[], None]] = []
stated: list[str] = []

Steps = Generator[ToolStep, Told, Decision]


def boss() -> Steps:
    return _look("boss")


def north() -> Steps:
    return _look("north")


def greeter() -> Steps:
    return _look("greeter")


def _look(agent: str) -> Steps:
    listed = yield list_metrics()
    names = [item["name"] for item in listed.content]
    _call(before_the_read)
    told = yield query_metrics(names)
    heard.append(told)
    _call(after_the_read)
    _be_in_the_mood(agent)
    if told.is_refused:
        return Decision(answer=f"I could read nothing: {told.message}", confidence=0.0)
    [record] = told.records()
    return Decision(
        answer=". ".join([", ".join(f"{name} {record[name]}" for name in names), *stated]),
        findings=(
            Finding(
                statement="How it stands.",
                figures=tuple(told.figure(name, name, record) for name in names),
            ),
        ),
        confidence=1.0,
    )


def _call(actions: list[Callable[[], None]]) -> None:
    """Does what is asked for once: a script is played again at every request."""
    while actions:
        actions.pop(0)()


def _be_in_the_mood(agent: str) -> None:
    folder = os.environ.get("CORNER_SHOP_MOOD")
    if folder is None:
        return
    if (Path(folder) / f"{agent}.fails").exists():
        raise ModelUnavailable("The chat model does not answer")
    if (Path(folder) / f"{agent}.dies").exists():
        (Path(folder) / f"{agent}.dies").unlink()
        os.kill(os.getpid(), signal.SIGKILL)
    give_up = time.monotonic() + LONGEST_WAIT_SECONDS
    while (Path(folder) / f"{agent}.waits").exists() and time.monotonic() < give_up:
        time.sleep(0.1)
