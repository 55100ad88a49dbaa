"""Figures as tables for a terminal."""

from collections.abc import Sequence

from rich.table import Table

from benchmarks.figure import Figure


def ways_table(data_set: str, figures: Sequence[Figure]) -> Table:
    """One row per question and way: milliseconds with quartiles, and the ratio to the peer."""
    table = Table(title=f"{data_set}: milliseconds, medians of rounds in turns")
    for column in ("question", "way"):
        table.add_column(column)
    for column in ("median", "quartiles", "rounds", "ratio", "to", "reach", ""):
        table.add_column(column, justify="left" if column in ("to", "reach") else "right")
    last = None
    for figure in figures:
        question = str(figure.details["query"])
        if last is not None and question != last:
            table.add_section()
        table.add_row(question if question != last else "", *_way_cells(figure))
        last = question
    return table


def figures_table(title: str, figures: Sequence[Figure]) -> Table:
    """One row per figure, with what else is known of it."""
    table = Table(title=title)
    table.add_column("figure")
    table.add_column("value", justify="right")
    table.add_column("unit")
    table.add_column("reach")
    for figure in figures:
        table.add_row(
            figure.name,
            _number(figure.value),
            figure.unit,
            f"{figure.target or ''} {_mark(figure)}",
        )
    return table


def _way_cells(figure: Figure) -> tuple[str, ...]:
    details = figure.details
    if figure.value is None:
        return (str(details["way"]), "cannot", str(details["cannot"]), "", "", "", "", "")
    low, high = details["quartiles"]
    return (
        str(details["way"]),
        _number(figure.value),
        f"{_number(low)}-{_number(high)}",
        str(details["rounds"]),
        "" if figure.ratio is None else f"{figure.ratio:,.2f}",
        figure.peer or "",
        figure.target or "",
        _mark(figure),
    )


def _mark(figure: Figure) -> str:
    return {True: "yes", False: "[bold]no[/bold]", None: ""}[figure.reached]


def _number(value: float | None) -> str:
    if value is None:
        return ""
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"
