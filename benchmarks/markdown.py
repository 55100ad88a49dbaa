"""`docs/speed.md` from `summary.json`: `python -m benchmarks.markdown` writes the tables between its markers, and no other word."""

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks.results import SUMMARY

DOCUMENT = Path(__file__).parents[1] / "docs" / "speed.md"
BEGIN, END = "<!-- figures of {} -->", "<!-- end -->"
# The columns of a table of ways, by what the summary calls them.
_SHORT = {
    "raw SQL text": "SQL text",
    "hand-written SQL": "by hand",
    "governed, without ledger": "governed, no ledger",
    "governed, ledger in memory": "in memory",
    "governed, durable ledger": "durable",
    "MetricFlow compiles and runs": "MetricFlow",
    "boring-semantic-layer": "boring",
    "governed, bench": "governed",
    "governed, hashed": "hashed",
    "governed, generalised": "generalised",
    "governed, counted": "counted",
}
Figure = Mapping[str, Any]


def main() -> None:
    summary = json.loads(SUMMARY.read_text())
    DOCUMENT.write_text(filled(DOCUMENT.read_text(), summary["figures"]))


def filled(document: str, figures: Sequence[Figure]) -> str:
    """The document with the tables of the benchmarks that it names."""
    for name in sorted({str(figure["benchmark"]) for figure in figures}):
        begin = BEGIN.format(name)
        if begin in document:
            before, _, rest = document.partition(begin)
            own = [figure for figure in figures if figure["benchmark"] == name]
            tables = "\n".join(_tables(own))
            document = f"{before}{begin}\n\n{tables}\n{END}{rest.partition(END)[2]}"
    return document


def _tables(figures: Sequence[Figure]) -> Iterator[str]:
    if "way" not in figures[0]:
        yield from _list(figures)
        return
    for data_set in dict.fromkeys(figure["data_set"] for figure in figures):
        yield from _ways(data_set, [item for item in figures if item["data_set"] == data_set])


def _ways(data_set: str, figures: Sequence[Figure]) -> Iterator[str]:
    ways = list(dict.fromkeys(str(figure["way"]) for figure in figures))
    yield _row([f"{data_set}, ms", *(_SHORT.get(way, way) for way in ways)])
    yield _row(["---", *("---:" for _ in ways)])
    for query in dict.fromkeys(figure["query"] for figure in figures):
        cells = {figure["way"]: _cell(figure) for figure in figures if figure["query"] == query}
        yield _row([query, *(cells.get(way, "") for way in ways)])
    yield ""


def _list(figures: Sequence[Figure]) -> Iterator[str]:
    yield _row(["figure", "", ""])
    yield _row(["---", "---:", "---"])
    for figure in figures:
        yield _row([figure["name"], _number(figure["value"]), figure["unit"]])
    yield ""


def _cell(figure: Figure) -> str:
    """The median, and how many times that of its peer it is; in bold where a target was missed."""
    if figure["value"] is None:
        return "cannot"
    ratio = f", x{figure['ratio']:.3g}" if "ratio" in figure else ""
    cell = f"{_number(figure['value'])}{ratio}"
    return f"**{cell}**" if figure.get("reached") is False else cell


def _number(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"


def _row(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


if __name__ == "__main__":
    main()
