"""The summary that several benchmarks, and later several people, write to."""

import json
from pathlib import Path

from benchmarks.figure import Figure
from benchmarks.results import write_results


def _names(path: Path) -> list[tuple[str, str, float]]:
    return [
        (item["benchmark"], item["name"], item["value"])
        for item in json.loads(path.read_text())["figures"]
    ]


def _figure(benchmark: str, name: str, value: float) -> Figure:
    return Figure(benchmark=benchmark, name=name, value=value, unit="ms")


def test_a_run_replaces_its_own_figures_and_keeps_those_of_others(tmp_path: Path) -> None:
    path = tmp_path / "results" / "summary.json"
    write_results([_figure("reads", "total", 1.0), _figure("reads", "by month", 2.0)], path)
    write_results([_figure("scale", "100 metrics", 3.0)], path)
    write_results([_figure("reads", "total", 4.0)], path)
    assert _names(path) == [("scale", "100 metrics", 3.0), ("reads", "total", 4.0)]


def test_a_figure_says_what_it_is_beside_and_nothing_that_is_not_known(tmp_path: Path) -> None:
    path = tmp_path / "summary.json"
    beside = Figure(
        benchmark="reads",
        name="total: governed",
        value=1.2345678,
        unit="ms",
        peer="raw SQL text",
        ratio=1.01,
        target="<= 1.00",
        reached=False,
        details={"rounds": 5},
    )
    write_results([beside, _figure("reads", "total: raw", 1.0)], path)
    summary = json.loads(path.read_text())
    taken_at = summary["machine"]["taken_at"]
    assert summary["figures"] == [
        {
            "benchmark": "reads",
            "name": "total: governed",
            "value": 1.2346,
            "unit": "ms",
            "peer": "raw SQL text",
            "ratio": 1.01,
            "target": "<= 1.00",
            "reached": False,
            "rounds": 5,
            "taken_at": taken_at,
        },
        {
            "benchmark": "reads",
            "name": "total: raw",
            "value": 1.0,
            "unit": "ms",
            "taken_at": taken_at,
        },
    ]


def test_a_figure_that_names_no_benchmark_goes(tmp_path: Path) -> None:
    path = tmp_path / "summary.json"
    path.write_text(json.dumps({"machine": {}, "figures": [{"name": "old", "value": 1}]}))
    write_results([_figure("reads", "total", 1.0)], path)
    assert _names(path) == [("reads", "total", 1.0)]
