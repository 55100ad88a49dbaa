"""A dbt project with as many metrics as asked: per fact table ten, all of them joined to the same stores and customers."""

from pathlib import Path
from typing import Any

import yaml

from tests.dbt_build import run_dbt

PER_MODEL = 10
_DAY: dict[str, Any] = {
    "name": "happened_on",
    "type": "time",
    "type_params": {"time_granularity": "day"},
}
_PROJECT = {
    "name": "many_metrics",
    "version": "1.0",
    "profile": "many_metrics",
    "model-paths": ["models"],
    "flags": {"send_anonymous_usage_stats": False},
}
_PROFILE = {
    "many_metrics": {
        "target": "dev",
        "outputs": {"dev": {"type": "duckdb", "path": "many_metrics.duckdb", "schema": "main"}},
    }
}


def parse_many_metrics(folder: Path, count: int) -> Path:
    """Writes the project into `folder` and parses it with dbt. Returns the folder of its artifacts."""
    facts = [f"facts_{number}" for number in range(count // PER_MODEL)]
    models = folder / "models"
    models.mkdir(parents=True)
    _write(folder / "dbt_project.yml", _PROJECT)
    _write(folder / "profiles.yml", _PROFILE)
    for name in ("stores", "customers", *facts):
        (models / f"{name}.sql").write_text("select 1 as id\n")
    (models / "days.sql").write_text("select date '2024-01-01' as day\n")
    _write(models / "models.yml", {"models": [_time_spine()]})
    _write(
        models / "semantics.yml",
        {
            "semantic_models": [
                _looked_up("store", ("region", "city")),
                _looked_up("customer", ("country", "segment")),
                *map(_fact, facts),
            ],
            "metrics": [metric for name in facts for metric in _metrics(name)],
        },
    )
    run_dbt("parse", folder)
    return folder / "target"


def _time_spine() -> dict[str, Any]:
    return {
        "name": "days",
        "time_spine": {"standard_granularity_column": "day"},
        "columns": [{"name": "day", "granularity": "day"}],
    }


def _looked_up(name: str, dimensions: tuple[str, ...]) -> dict[str, Any]:
    return {
        "name": f"{name}s",
        "model": f"ref('{name}s')",
        "entities": [{"name": name, "type": "primary", "expr": f"{name}_id"}],
        "dimensions": [{"name": item, "type": "categorical"} for item in dimensions],
    }


def _fact(name: str) -> dict[str, Any]:
    return {
        "name": name,
        "model": f"ref('{name}')",
        "defaults": {"agg_time_dimension": "happened_on"},
        "entities": [
            {"name": f"{name}_row", "type": "primary", "expr": "row_id"},
            {"name": "store", "type": "foreign", "expr": "store_id"},
            {"name": "customer", "type": "foreign", "expr": "customer_id"},
        ],
        "dimensions": [_DAY, {"name": "status", "type": "categorical"}],
        "measures": [
            {"name": f"{name}_sum_{number}", "agg": "sum", "expr": f"value_{number}"}
            for number in range(PER_MODEL - 2)
        ],
    }


def _metrics(name: str) -> list[dict[str, Any]]:
    """Eight sums, a ratio and a difference of two of them."""
    sums = [f"{name}_sum_{number}" for number in range(PER_MODEL - 2)]
    ratio = {"numerator": sums[0], "denominator": sums[1]}
    difference = {"expr": f"{sums[2]} - {sums[3]}", "metrics": sums[2:4]}
    return [
        *(_metric(item, "simple", {"measure": item}) for item in sums),
        _metric(f"{name}_ratio", "ratio", ratio),
        _metric(f"{name}_difference", "derived", difference),
    ]


def _metric(name: str, kind: str, parameters: dict[str, Any]) -> dict[str, Any]:
    return {
        "name": name,
        "label": name.replace("_", " "),
        "description": f"What {name} adds up to.",
        "type": kind,
        "type_params": parameters,
    }


def _write(path: Path, content: object) -> None:
    path.write_text(yaml.safe_dump(content, sort_keys=False))
