"""The ways of one data set as a picture: a row per question, a dot per way with its quartiles, on a logarithmic axis."""

from collections.abc import Sequence
from pathlib import Path

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure as Picture

from benchmarks.figure import Figure

_STYLE = {
    "svg.hashsalt": "benchmarks",
    "svg.fonttype": "none",
    "font.family": "sans-serif",
    "font.size": 10,
}
_COLOURS = {
    "raw SQL text": "#111111",
    "hand-written SQL": "#8a8a8a",
    "governed, without ledger": "#9ecae1",
    "governed, ledger in memory": "#4292c6",
    "governed, durable ledger": "#08519c",
    "MetricFlow compiles and runs": "#e6550d",
    "boring-semantic-layer": "#31a354",
    "sidemantic": "#9e3fb5",
    "mf query": "#b30000",
}
_SPREAD = 0.76


def plot_ways(data_set: str, figures: Sequence[Figure], path: Path) -> None:
    """Writes an SVG. Its bytes are the same for the same figures."""
    questions = list(dict.fromkeys(str(figure.details["query"]) for figure in figures))
    with mpl.rc_context(_STYLE):
        picture = Picture(figsize=(10, 1.6 + 1.05 * len(questions)), layout="constrained")
        axes = picture.subplots()
        for way in _COLOURS:
            _draw_way(axes, way, questions, figures)
        _label(axes, data_set, questions)
        path.parent.mkdir(parents=True, exist_ok=True)
        picture.savefig(path, format="svg", facecolor="white", metadata={"Date": None})


def _draw_way(axes: Axes, way: str, questions: Sequence[str], figures: Sequence[Figure]) -> None:
    measured = [
        figure for figure in figures if figure.details["way"] == way and figure.value is not None
    ]
    if not measured:
        return
    step = _SPREAD / (len(_COLOURS) - 1)
    shift = list(_COLOURS).index(way) * step - _SPREAD / 2
    values = [figure.value or 0.0 for figure in measured]
    lows = [figure.details["quartiles"][0] for figure in measured]
    highs = [figure.details["quartiles"][1] for figure in measured]
    axes.errorbar(
        values,
        [questions.index(str(figure.details["query"])) + shift for figure in measured],
        xerr=[
            [max(value - low, 0.0) for value, low in zip(values, lows, strict=True)],
            [max(high - value, 0.0) for value, high in zip(values, highs, strict=True)],
        ],
        fmt="o",
        markersize=5,
        elinewidth=1.5,
        color=_COLOURS[way],
        label=way,
    )


def _label(axes: Axes, data_set: str, questions: Sequence[str]) -> None:
    axes.set_xscale("log")
    axes.set_xlabel("milliseconds, median with quartiles, logarithmic: further left is faster")
    axes.set_yticks(range(len(questions)), questions)
    axes.set_ylim(len(questions) - 0.45, -0.55)
    for place in range(1, len(questions)):
        axes.axhline(place - 0.5, color="#dddddd", linewidth=0.8)
    axes.xaxis.set_major_formatter("{x:g}")
    axes.grid(axis="x", color="#eeeeee")
    axes.set_axisbelow(True)
    axes.set_title(f"One question, several ways: the {data_set}", loc="left", weight="bold")
    axes.legend(loc="upper center", bbox_to_anchor=(0.5, -0.09), ncols=3, frameon=False)
    for side in ("top", "right", "left"):
        axes.spines[side].set_visible(False)
