"""What a reader may ask for, in as few words as a model needs: each metric in a line, and each set of dimensions once."""

import unicodedata
from collections.abc import Iterable, Iterator

from semantic.governed_metrics import MetricDescription
from semantic.metric import EXTRACT, Dimension

_LONGEST_DESCRIPTION = 160
_INVISIBLE = ("Cc", "Cf", "Co", "Cs", "Cn", "Zl", "Zp")


def catalog_text(described: Iterable[MetricDescription]) -> str:
    """These metrics and their dimensions as lines of text, in the order in which they come.

    flights [1], flights: Scheduled departures.
    ...
    [1] carrier, carrier__airline_name, metric_time (day, week, month, quarter, year)
    """
    sets: dict[tuple[Dimension, ...], int] = {}
    lines = ["Metrics, each with the number of its dimensions:"]
    for item in described:
        number = sets.setdefault(item.dimensions, len(sets) + 1)
        lines.append(_metric_line(item, number))
    lines.append(
        f"Dimensions; a time is named with a grain, as in metric_time__month, or with a part, as in metric_time__{EXTRACT}month:"
    )
    lines += [f"[{number}] {', '.join(_dimension_names(found))}" for found, number in sets.items()]
    return "\n".join(lines)


def _metric_line(item: MetricDescription, number: int) -> str:
    metric = item.metric
    unit = f", {shown(metric.unit, 40)}" if metric.unit else ""
    also = f" (also: {shown(', '.join(metric.synonyms), 80)})" if metric.synonyms else ""
    told = shown(metric.description or metric.label, _LONGEST_DESCRIPTION)
    return f"{metric.name} [{number}]{unit}: {told}{also}"


def _dimension_names(dimensions: Iterable[Dimension]) -> Iterator[str]:
    for item in dimensions:
        yield f"{item.name} ({', '.join(item.grains)})" if item.grains else item.name


def shown(text: str, most: int) -> str:
    """A text of a project as a model or a page may be given it: on one line, without characters that cannot be seen, and cut."""
    visible = "".join(
        " " if char.isspace() else char
        for char in text
        if char.isspace() or unicodedata.category(char) not in _INVISIBLE
    )
    line = " ".join(visible.split())
    return line if len(line) <= most else f"{line[: most - 3].rstrip()}..."
