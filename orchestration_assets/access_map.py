"""A picture of who read what on which days: a row for each agent and metric, a field for each day."""

import base64
from collections.abc import Iterator, Mapping
from datetime import date, timedelta
from html import escape

from semantic.ledger.access_counts import DayOfReads
from semantic.lineage.access import AccessReport

_FIELD, _GAP, _HIGH, _NAMES, _TOP = 20, 2, 18, 330, 46
_MOST_UNUSED = 20
_WEEK = 7
_LONGEST = 24
# From few reads to many.
_SHADES = ("#dbeafe", "#93c5fd", "#3b82f6", "#1d4ed8", "#1e3a8a")
_NOTHING, _REFUSED, _UNUSED = "#f1f5f9", "#dc2626", "#cbd5e1"


def access_map(report: AccessReport) -> str:
    """The picture, as the text of an SVG. Rows are the pairs that were read or refused most, and grants that were not used; a field is the darker the more
    reads there were on its day, and has a red frame where one was refused.
    """
    days = [report.first + timedelta(days=number) for number in range(_length(report))]
    pairs = list(dict.fromkeys((it.agent, it.metric) for it in report.days))
    unused = [(agent, name) for agent, names in report.unused.items() for name in names]
    rows = sorted(pairs) + sorted(set(unused) - set(pairs))[:_MOST_UNUSED]
    most = max((it.allowed for it in report.days), default=1) or 1
    of = {(it.agent, it.metric, it.day): it for it in report.days}
    width = _NAMES + len(days) * (_FIELD + _GAP) + 20
    height = _TOP + len(rows) * (_HIGH + _GAP) + 40
    return "".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" viewBox="0 0 {width} {height}" '
            'font-family="system-ui, sans-serif" font-size="12">',
            f'<rect width="{width}" height="{height}" fill="#ffffff"/>',
            *_heads(days),
            *(part for place, row in enumerate(rows) for part in _row(place, row, days, of, most)),
            *_legend(height - 16, most),
            "</svg>",
        ]
    )


def as_markdown(svg: str) -> str:
    """The picture within Markdown: data, and no address."""
    return f"![Access map](data:image/svg+xml;base64,{base64.b64encode(svg.encode()).decode()})"


def _length(report: AccessReport) -> int:
    return (report.last - report.first).days + 1


def _heads(days: list[date]) -> Iterator[str]:
    for number, day in enumerate(days):
        if number % _WEEK == 0:
            yield _text(_NAMES + number * (_FIELD + _GAP), 18, day.strftime("%d %b"), "#334155")


def _row(
    place: int,
    row: tuple[str, str],
    days: list[date],
    of: Mapping[tuple[str, str, str], DayOfReads],
    most: int,
) -> Iterator[str]:
    agent, metric = row
    y = _TOP + place * (_HIGH + _GAP)
    was_used = any((agent, metric, day.isoformat()) in of for day in days)
    colour = "#0f172a" if was_used else "#94a3b8"
    yield _text(8, y + 13, _short(agent), colour)
    yield _text(170, y + 13, _short(metric), colour)
    yield _band(y, len(days), was_used=was_used)
    for number, day in enumerate(days):
        found = of.get((agent, metric, day.isoformat()))
        if found is not None:
            yield _field(_NAMES + number * (_FIELD + _GAP), y, found, most)


def _band(y: int, days: int, *, was_used: bool) -> str:
    """What lies behind the fields of a row: all of its days."""
    width = days * (_FIELD + _GAP) - _GAP
    frame = "" if was_used else f' stroke="{_UNUSED}" stroke-dasharray="3 3"'
    return f'<rect x="{_NAMES}" y="{y}" width="{width}" height="{_HIGH}" rx="3" fill="{_NOTHING}"{frame}/>'


def _field(x: int, y: int, found: DayOfReads, most: int) -> str:
    fill = _shade(found.allowed, most) if found.allowed else _NOTHING
    frame = f' stroke="{_REFUSED}" stroke-width="2"' if found.refused else ""
    return f'<rect x="{x}" y="{y}" width="{_FIELD}" height="{_HIGH}" rx="3" fill="{fill}"{frame}/>'


def _shade(reads: int, most: int) -> str:
    return _SHADES[min(len(_SHADES) - 1, (reads - 1) * len(_SHADES) // most)]


def _legend(y: int, most: int) -> Iterator[str]:
    yield _text(8, y, f"darker: more reads on a day, {most:,} at most", "#334155")
    yield _text(290, y, "red frame: refused", _REFUSED)
    yield _text(440, y, "dashed: granted, not read", "#64748b")


def _short(name: str) -> str:
    return name if len(name) <= _LONGEST else f"{name[: _LONGEST - 1]}…"


def _text(x: int, y: int, words: str, colour: str) -> str:
    return f'<text x="{x}" y="{y}" fill="{colour}">{escape(words)}</text>'
