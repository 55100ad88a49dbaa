"""The scripts hold no figure: other data gives other texts, other citations and another story."""

import ast
import inspect
import re
import shutil
from pathlib import Path
from typing import Any

import dagster as dg
import duckdb
import pytest

from orchestration_assets.definitions import DBT_PROJECT, build_demo
from orchestration_assets.defs import scripts
from tests.conformance.flights_year import build_flights_year

DAY = "2013-02-09"


def test_no_text_of_a_script_holds_a_figure() -> None:
    tree = ast.parse(inspect.getsource(scripts))
    formats = {
        id(part)
        for node in ast.walk(tree)
        if isinstance(node, ast.FormattedValue) and node.format_spec is not None
        for part in ast.walk(node.format_spec)
    }
    texts = [
        re.sub(r"{[^}]*}", "", node.value)
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant)
        and isinstance(node.value, str)
        and id(node) not in formats
    ]
    assert len(texts) > 50
    assert not [text for text in texts if re.search(r"\d", text)]


@pytest.fixture(scope="module")
def parsed(shared_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the dbt project with its artifacts."""
    project = tmp_path_factory.mktemp("changed") / "project"
    built = build_flights_year(shared_folder / "flights_year")
    return shutil.copytree(built.folder, project, ignore=shutil.ignore_patterns("*.duckdb*"))


@pytest.mark.soak
def test_other_parquet_files_tell_another_story(
    parsed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = tmp_path / "data"
    shutil.copytree(DBT_PROJECT / "data", data)
    changed = data / "changed.parquet"
    duckdb.sql(
        f"copy (select * replace (case when make_date(year, month, day) = '{DAY}' and carrier = 'B6' "
        f"then coalesce(dep_time, sched_dep_time) else dep_time end as dep_time, "
        f"case when make_date(year, month, day) = '{DAY}' and carrier = 'B6' then coalesce(dep_delay, 0) "
        f"else dep_delay end as dep_delay) from '{data / 'flights.parquet'}') to '{changed}'"
    )
    changed.replace(data / "flights.parquet")
    [(flights, cancelled)] = duckdb.sql(
        f"select count(*), count(*) filter (where dep_time is null) from '{data / 'flights.parquet'}' "
        f"where make_date(year, month, day) = '{DAY}'"
    ).fetchall()
    assert 0 < cancelled < 393

    home, warehouse = tmp_path / "home", tmp_path / "warehouse" / "nyc_flights.duckdb"
    home.mkdir()
    monkeypatch.setenv("NYC_FLIGHTS_WAREHOUSE", str(warehouse))
    job = build_demo(dbt_project=parsed, data=data).resolve_implicit_global_asset_job_def()
    landed = [key for key in job.asset_layer.executable_asset_keys if len(key.path) == 1]
    watch = dg.AssetKey(["agents", "operations_watch"])
    days = {
        "dagster/asset_partition_range_start": "2013-01-27",
        "dagster/asset_partition_range_end": DAY,
    }
    with dg.instance_for_test(temp_dir=str(home)) as instance:
        assert job.execute_in_process(instance=instance, asset_selection=landed, tags=days).success
        assert job.execute_in_process(instance=instance, asset_selection=[watch]).success
        told = _metadata(instance, watch)
    assert f"On {DAY}, {cancelled:,} of {flights:,} flights were cancelled" in told["findings"]
    assert "393 of 684" not in told["findings"]
    figures = {record.data["figure"]: record.data["value"] for record in told["figures"].records}
    assert figures[f"cancelled on {DAY}"] == cancelled
    assert figures[f"flights on {DAY}"] == flights


def _metadata(instance: dg.DagsterInstance, agent: dg.AssetKey) -> dict[str, Any]:
    latest = instance.get_latest_materialization_event(agent)
    assert latest is not None
    assert latest.asset_materialization is not None
    metadata = latest.asset_materialization.metadata
    return {
        "findings": metadata["findings"].value,
        "figures": metadata["figures"],
    }
