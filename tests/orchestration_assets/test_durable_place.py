"""Where Dagster keeps nothing, no metric is read: a record in memory is none."""

from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from tests.orchestration_assets import corner_shop
from tests.orchestration_assets.location import SNAPSHOT, agent_key, fork, metric_key, moved


def test_without_a_durable_place_nothing_is_read(built_shop: Path, tmp_path: Path) -> None:
    folder = fork(built_shop, tmp_path / "shop")
    refusing = corner_shop.build_definitions(folder)
    with dg.DagsterInstance.ephemeral() as instance:
        for key in (SNAPSHOT, metric_key("orders"), agent_key("boss")):
            result = in_memory(refusing, instance, [key])
            [event] = result.get_step_failure_events()
            failure: Any = event.step_failure_data.user_failure_data
            assert "There is no durable place for the record of reads" in failure.description
            assert "set DAGSTER_HOME" in failure.metadata["hint"].value


@pytest.mark.soak
def test_a_record_in_memory_is_kept_where_that_is_asked_for_by_name(
    built_shop: Path, tmp_path: Path
) -> None:
    folder = fork(built_shop, tmp_path / "shop")
    metrics = corner_shop.load_shop(folder, allow_ephemeral_record=True)
    allowing = corner_shop.build_definitions(folder, metrics)
    with dg.DagsterInstance.ephemeral() as instance:
        assert in_memory(allowing, instance, None).success
        latest = instance.get_latest_materialization_event(agent_key("boss"))
    assert latest is not None
    assert latest.asset_materialization is not None
    assert latest.asset_materialization.metadata["reads_allowed"].value == 1


def test_a_home_that_is_deleted_with_its_process_is_no_durable_place(
    built_shop: Path, tmp_path: Path
) -> None:
    folder = fork(built_shop, tmp_path / "shop")
    home = tmp_path / ".tmp_dagster_home_x"
    (folder / "home").rename(home)
    moved(home / "dagster.yaml", str(folder / "home"), str(home))
    with dg.DagsterInstance.from_config(str(home)) as instance:
        result = in_memory(corner_shop.build_definitions(folder), instance, [agent_key("boss")])
    assert not result.success


def in_memory(
    definitions: dg.Definitions, instance: dg.DagsterInstance, keys: list[dg.AssetKey] | None
) -> dg.ExecuteInProcessResult:
    job = definitions.resolve_implicit_global_asset_job_def()
    return job.execute_in_process(instance=instance, asset_selection=keys, raise_on_error=False)
