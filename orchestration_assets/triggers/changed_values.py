"""Values that changed: any of a metric, or the figures that a trigger measures."""

from collections.abc import Iterator, Sequence
from functools import partial
from itertools import chain

from agent_resources.trigger import ValueChanged
from orchestration_assets.triggers.figures import MovedFigure, moved_figures, walked
from orchestration_assets.triggers.sight import Found, Sight, TriggerReason
from semantic.change_log import Moved
from semantic.watch import Points, Watch

_MOST_TOLD = 8
_MOST_VALUES = 20


def look_at_values(when: ValueChanged, sight: Sight, found: Found) -> None:
    """Finds the metrics, or the figures of them, that changed since the agent last ran."""
    if when.is_whole:
        _whole_changed(when, sight, found)
        return
    for watch in when.watches():
        if watch.metric in sight.readable:
            _figures_moved(when, watch, sight, found)


def _whole_changed(when: ValueChanged, sight: Sight, found: Found) -> None:
    before = sight.handled.metrics if sight.handled else {}
    asked = sight.asked(when.metrics)
    if not when.metrics:
        # What the platform tells changes by each run, also by one of the agent itself: of that only counts what is named.
        asked = [name for name in asked if name not in sight.metrics.catalog.platform_metrics]
    now = {name: it for name in asked if (it := sight.basis.metrics.get(name))}
    changed = {name: it for name, it in now.items() if it.is_other_than(before.get(name))}
    if not changed:
        return
    found.reasons.append(
        TriggerReason(
            kind=when.kind,
            words=partial(_told_changes, tuple(changed), sight),
            key="; ".join(f"{name} {it.key}" for name, it in sorted(now.items())),
            metrics=tuple(changed),
            is_of_whole=sight.handled is not None,
            telling=partial(_telling, tuple(changed), sight),
        )
    )


def _telling(names: Sequence[str], sight: Sight) -> list[str]:
    """Those of which values are told."""
    return [name for name in names if sight.handled and _steps_of(name, sight)]


def _steps_of(name: str, sight: Sight) -> list[tuple[Moved, ...]]:
    """What each snapshot since moved of a metric."""
    seen = sight.seen(sight.whole(name))
    if seen is None or seen[1] not in sight.record.watched:
        return []
    return [step.moved[seen[1]] for step in sight.changes or () if seen[1] in step.moved]


def _told_changes(names: Sequence[str], sight: Sight) -> str:
    if sight.handled is None:
        return "It has not done its task yet"
    return "\n".join(_told_change(name, sight) for name in names)


def _told_change(name: str, sight: Sight) -> str:
    """How a metric changed, day by day, as far as that is known."""
    if sight.changes is None:
        return f"{name} changed; from what is not kept any more"
    days = _days_of(_steps_of(name, sight))
    if not days:
        return f"{name} changed, in no total of its newest days"
    told = [_told_day(day, values) for day, values in days[-_MOST_TOLD:]]
    rest = f"; and {len(days) - len(told)} days before" if len(days) > len(told) else ""
    return f"{name} changed: {'; '.join(told)}{rest}"


def _days_of(steps: Sequence[tuple[Moved, ...]]) -> list[tuple[str, list[str | None]]]:
    """By day, its values one after the other."""
    found: dict[str, list[str | None]] = {}
    for item in chain.from_iterable(steps):
        found.setdefault(item.cells[0], [item.before]).append(item.since)
    return sorted(found.items())


def _told_day(day: str, values: Sequence[str | None]) -> str:
    first, *_, last = values
    between = [value or "none" for value in values[1:-1]]
    if len(between) > _MOST_VALUES:
        between = [*between[:_MOST_VALUES], f"{len(between) - _MOST_VALUES} more"]
    way = f", in between {', '.join(between)}" if between else ""
    was = f"before {first}" if first is not None else "new"
    return f"{day + ' ' if day else ''}{last or 'none any more'} ({was}{way})"


def _figures_moved(when: ValueChanged, watch: Watch, sight: Sight, found: Found) -> None:
    seen = sight.seen(watch)
    now = sight.record.watched.get(seen[1]) if seen else None
    if seen is None or now is None:
        found.notes.append(
            f"{watch.metric} is not measured{' by ' + ', '.join(watch.by) if watch.by else ''}; it is from the next snapshot on, where its policy and definition let it be"
        )
        return
    watch, key = seen
    before = sight.handled.figures.get(key) if sight.handled else None
    standing = sight.basis.metrics[watch.metric].key if watch.metric in sight.basis.metrics else ""
    if before is None:
        text = f"{watch.metric} is compared from now on"
        first = TriggerReason(
            kind=when.kind, words=text, key=f"first {key} {standing}", metrics=(watch.metric,)
        )
        found.reasons.append(first)
        return
    if sight.changes is None:
        lost = f"{watch.metric} changed more often than is kept"
        found.reasons.append(
            TriggerReason(
                kind=when.kind, words=lost, key=f"lost {key} {standing}", metrics=(watch.metric,)
            )
        )
        return
    try:
        moved = _most_moved(when, before, _walk(sight, watch, key, before, now))
    except ValueError as error:
        found.notes.append(f"{watch.metric} has no numbers to compare: {error}")
        return
    if moved:
        told = "; ".join(item.told for item in moved[:_MOST_TOLD])
        rest = f"; and {len(moved) - _MOST_TOLD} more" if len(moved) > _MOST_TOLD else ""
        by = f" by {', '.join(watch.by)}" if watch.by else ""
        text = f"{watch.metric}{by}: {told}{rest}"
        found.reasons.append(_of_figures(when, watch, f"{key} {standing}", text))


def _of_figures(when: ValueChanged, watch: Watch, key: str, text: str) -> TriggerReason:
    return TriggerReason(
        kind=when.kind,
        words=text,
        key=key,
        metrics=(watch.metric,),
        told=(watch,),
        telling=lambda: (watch.metric,),
    )


def _walk(sight: Sight, watch: Watch, key: str, before: Points, now: Points) -> Iterator[Points]:
    steps = None if sight.changes is None else [step.moved for step in sight.changes]
    return walked(before, steps, key, now, periods=watch.periods)


def _most_moved(when: ValueChanged, before: Points, walk: Iterator[Points]) -> list[MovedFigure]:
    """The figures that were far enough from before at any time since, each as it was then the last time."""
    found: dict[tuple[str, ...], MovedFigure] = {}
    for points in walk:
        found |= {item.cells: item for item in moved_figures(when, before, points)}
    return [found[cells] for cells in sorted(found)]
