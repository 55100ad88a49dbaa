"""What each snapshot changed against the one before it, kept for longer than its data: so that somebody who looked away is told all of it."""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from semantic.durable import write_whole
from semantic.snapshot_record import SnapshotRecord, State

KEPT_CHANGES = 5_000


@dataclass(frozen=True, kw_only=True)
class Moved:
    """One point of what is watched: its cells, its value before and since, each None where there was none."""

    cells: tuple[str, ...]
    before: str | None
    since: str | None


@dataclass(frozen=True, kw_only=True)
class Changes:
    """What a snapshot changed. `before` is the identity of the one before it, None for the first.

    `versions` are by metric the data version of those of which that changed, `closed` by metric why it may not be read any more, or None where it may again; `meant` the metrics that mean something else; `moved` by key of a watch
    the points that changed. Of a snapshot that `is_of_platform` only what the platform tells is new.
    """

    snapshot: str
    identity: str
    before: str | None
    published_at: datetime
    versions: Mapping[str, str] = field(default_factory=dict)
    closed: Mapping[str, str | None] = field(default_factory=dict)
    meant: tuple[str, ...] = ()
    moved: Mapping[str, tuple[Moved, ...]] = field(default_factory=dict)
    is_of_platform: bool = False


def changes_between(before: SnapshotRecord | None, record: SnapshotRecord) -> Changes:
    """What a snapshot changed against the one before it."""
    now_closed = {name: _closed(record, name) for name in record.metrics}
    return Changes(
        snapshot=record.version,
        identity=record.identity,
        before=before.identity if before else None,
        published_at=record.published_at,
        is_of_platform=record.is_of_platform,
        versions={
            name: state.data_version
            for name, state in record.metrics.items()
            if before is None
            or name not in before.metrics
            or before.metrics[name].data_version != state.data_version
        },
        closed={
            name: why
            for name, why in now_closed.items()
            if (why is None) != (before is None or _closed(before, name) is None)
        },
        meant=tuple(
            name
            for name, meaning in record.meanings.items()
            if before and before.meanings.get(name, meaning) != meaning
        ),
        moved={
            key: moved
            for key, points in record.watched.items()
            if (moved := _moved(before.watched.get(key) if before else None, points))
        },
    )


def _closed(record: SnapshotRecord, name: str) -> str | None:
    """Why a metric may not be read from a snapshot, None where it may or where there is none."""
    state = record.metrics.get(name)
    return None if state is None or state.state is State.PASSING else state.why


def _moved(
    before: Mapping[tuple[str, ...], str] | None, now: Mapping[tuple[str, ...], str]
) -> tuple[Moved, ...]:
    """Nothing where it was not watched before: then nobody knows what it was. What is older than the oldest period of now has only left the newest ones."""
    if before is None:
        return ()
    oldest = min((cells[0] for cells in now), default="")
    return tuple(
        Moved(cells=cells, before=before.get(cells), since=now.get(cells))
        for cells in sorted({*before, *now})
        if before.get(cells) != now.get(cells) and cells[0] >= oldest
    )


class ChangeLog:
    """The changes of the newest snapshots in a folder, one file each."""

    def __init__(self, folder: Path, *, keep: int = KEPT_CHANGES) -> None:
        self._folder = folder
        self._keep = keep
        self._known: dict[str, Changes] = {}

    def add(self, changes: Changes) -> None:
        """Keeps the changes of a snapshot durably, before that is published."""
        self._folder.mkdir(parents=True, exist_ok=True)
        write_whole(self._folder / f"{changes.snapshot}.json", json.dumps(_to_json(changes)))
        self._known.pop(changes.snapshot, None)
        for path in sorted(self._folder.glob("v[0-9]*.json"))[: -self._keep]:
            path.unlink(missing_ok=True)
            self._known.pop(path.stem, None)

    def since(self, identity: str, record: SnapshotRecord) -> tuple[Changes, ...] | None:
        """The changes after the snapshot with an identity and up to this one, the oldest first. None where they are not all kept."""
        found: list[Changes] = []
        wanted, version = record.identity, record.version
        while wanted != identity:
            changes = self._read(version, wanted)
            if changes is None or changes.before is None:
                return None
            found.append(changes)
            wanted, version = changes.before, changes.before.partition(" ")[0]
        return tuple(reversed(found))

    def _read(self, version: str, identity: str) -> Changes | None:
        """The changes of a snapshot. A file of its name may be of one that was never published."""
        known = self._known.get(version)
        if known is None or known.identity != identity:
            try:
                text = (self._folder / f"{version}.json").read_text()
                known = self._known[version] = _from_json(json.loads(text))
            except (OSError, ValueError, KeyError, TypeError):
                return None
        return known if known.identity == identity else None


def _to_json(changes: Changes) -> dict[str, Any]:
    return {
        "snapshot": changes.snapshot,
        "identity": changes.identity,
        "before": changes.before,
        "published_at": changes.published_at.isoformat(),
        "versions": dict(changes.versions),
        "is_of_platform": changes.is_of_platform,
        "closed": dict(changes.closed),
        "meant": list(changes.meant),
        "moved": {
            key: [[list(it.cells), it.before, it.since] for it in moved]
            for key, moved in changes.moved.items()
        },
    }


def _from_json(plain: Mapping[str, Any]) -> Changes:
    return Changes(
        snapshot=plain["snapshot"],
        identity=plain["identity"],
        before=plain["before"],
        published_at=datetime.fromisoformat(plain["published_at"]),
        versions=plain["versions"],
        closed=plain["closed"],
        meant=tuple(plain["meant"]),
        moved={key: _moved_from_json(rows) for key, rows in plain["moved"].items()},
        is_of_platform=plain.get("is_of_platform", False),
    )


def _moved_from_json(rows: Iterable[Sequence[Any]]) -> tuple[Moved, ...]:
    return tuple(
        Moved(cells=tuple(cells), before=before, since=since) for cells, before, since in rows
    )
