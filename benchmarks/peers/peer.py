"""What the benchmark needs of another semantic layer."""

import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True, kw_only=True)
class Cannot:
    """A question that a peer cannot answer, and why."""

    reason: str


Answer = Callable[[], Any] | Cannot


@dataclass(frozen=True, kw_only=True)
class Peer:
    """A peer with its own models of one data set. `answers` are by the name of the question."""

    name: str
    answers: Mapping[str, Answer]


def copy_for(peer: str, file: Path, folder: Path) -> Path:
    """A copy of a published file under its own name. One process opens one file in one way only, and the door's is hardened."""
    copied = folder / peer / file.name
    copied.parent.mkdir(parents=True)
    shutil.copy(file, copied)
    return copied
