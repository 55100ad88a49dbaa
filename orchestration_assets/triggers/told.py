"""What called for a run, as the run is told it: each reason in words, and the values in them as what a snapshot was measured to have."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from agent_resources.because import Because, Cause, Told
from orchestration_assets.triggers.basis import Basis
from orchestration_assets.triggers.sight import Called, Sight, TriggerReason
from semantic.errors import MetricCompileError
from semantic.watch import Points, Watch

Cells = tuple[str, ...]


@dataclass
class _Moment:
    """What is told of one snapshot: by metric its data version, and by cells its values."""

    snapshot: str
    published_at: datetime
    versions: dict[str, str] = field(default_factory=dict)
    values: dict[str, dict[Cells, str | None]] = field(default_factory=lambda: defaultdict(dict))


def because_of(sight: Sight, called: Called) -> Because:
    """Why a run of an agent begins now. A person may have asked for it: then there may be no reason."""
    told: list[Told] = []
    for alike in _alike(watch for reason in called.reasons for watch in _watches(reason, sight)):
        told += _told(sight, alike)
    return Because(
        at=sight.basis.at,
        seq=sight.basis.seq,
        causes=tuple(_cause(reason, told) for reason in called.reasons),
        told=tuple(told),
        closed=dict(sight.basis.closed),
        hops=called.hops,
    )


def _cause(reason: TriggerReason, told: Sequence[Told]) -> Cause:
    """A reason in words. Values are in it only as far as they are told as reads of the run."""
    if not reason.told and not reason.is_of_whole:
        return Cause(kind=reason.kind, text=reason.text, plain=reason.text)
    read = {name for item in told for name in item.query["metrics"]}
    plain = f"{', '.join(reason.metrics)} changed"
    text = reason.text if read.issuperset(reason.telling()) else plain
    return Cause(kind=reason.kind, text=text, plain=plain)


def _watches(reason: TriggerReason, sight: Sight) -> Iterable[Watch]:
    return map(sight.whole, reason.metrics) if reason.is_of_whole else reason.told


def _alike(watches: Iterable[Watch]) -> list[list[Watch]]:
    """Watches that differ in their metric alone, so that one query is about them."""
    found: dict[Any, list[Watch]] = defaultdict(list)
    for watch in dict.fromkeys(watches):
        found[watch.by, watch.grain, watch.periods].append(watch)
    return list(found.values())


def _told(sight: Sight, watches: Sequence[Watch]) -> list[Told]:
    """What is told of some watches, one for each snapshot of which something is: that of the last run, those between, and the current one."""
    seen = {watch.metric: it for watch in watches if (it := sight.seen(watch))}
    keys = {name: key for name, (_, key) in seen.items() if key in sight.record.watched}
    moments = _moments(sight, keys) if keys else []
    found = []
    for moment in moments:
        names = [name for name in keys if moment.values.get(name)]
        query = _query(sight, seen[names[0]][0], names) if names else None
        if query is None:
            continue
        cells = sorted({place for name in names for place in moment.values[name]})
        width = len(query["group_by"])
        found.append(
            Told(
                query=query,
                snapshot=moment.snapshot,
                published_at=moment.published_at,
                versions={name: moment.versions[name] for name in names},
                rows=tuple(
                    (
                        *place[len(place) - width :],
                        *(moment.values[name].get(place) for name in names),
                    )
                    for place in cells
                ),
            )
        )
    return found


def _moments(sight: Sight, keys: Mapping[str, str]) -> list[_Moment]:
    """By snapshot, the oldest first, what is told: values before they first moved, and each as it moved."""
    handled = sight.handled
    before = {
        name: standing.whole.data_version
        for name, standing in (handled.metrics if handled else {}).items()
    }
    figures = handled.figures if handled else {}
    first = _first(handled, keys, before) if handled else None
    found = [first] if first else []
    versions = dict(before)
    for step in sight.changes or ():
        moment = _Moment(step.snapshot, step.published_at)
        versions |= step.versions
        for name, key in keys.items():
            if name not in versions:
                continue
            moment.versions[name] = versions[name]
            for item in step.moved.get(key, ()):
                if first is not None and item.before is not None and name in before:
                    first.values[name].setdefault(item.cells, item.before)
                if item.since is not None:
                    moment.values[name][item.cells] = item.since
        found.append(moment)
    return _joined([*found, _now(sight, keys, figures)])


def _joined(moments: Sequence[_Moment]) -> list[_Moment]:
    """One for each snapshot."""
    found: dict[str, _Moment] = {}
    for moment in moments:
        known = found.setdefault(moment.snapshot, moment)
        if known is not moment:
            known.versions |= moment.versions
            for name, values in moment.values.items():
                known.values[name] |= values
    return list(found.values())


def _first(handled: Basis, keys: Mapping[str, str], versions: Mapping[str, str]) -> _Moment:
    """The snapshot that the last run was based on, with the figures that a trigger compares."""
    version, _, published_at = handled.identity.partition(" ")
    moment = _Moment(version, datetime.fromisoformat(published_at), dict(versions))
    for name, key in keys.items():
        if name in versions:
            moment.values[name] |= handled.figures.get(key, {})
    return moment


def _now(sight: Sight, keys: Mapping[str, str], figures: Mapping[str, Points]) -> _Moment:
    """The figures that a trigger compares, as they stand now."""
    moment = _Moment(sight.record.version, sight.record.published_at)
    for name, key in keys.items():
        if key in sight.basis.figures and sight.basis.figures[key] != figures.get(key):
            moment.values[name] |= sight.basis.figures[key]
            moment.versions[name] = sight.record.metrics[name].data_version
    return moment


def _query(sight: Sight, watch: Watch, names: Sequence[str]) -> dict[str, Any] | None:
    try:
        legal = sight.metrics.engine.dimensions(list(names))
    except MetricCompileError:
        return None
    last = sight.record.metrics[watch.metric].last_day
    return watch.query(legal, last) | {"metrics": list(names)}
