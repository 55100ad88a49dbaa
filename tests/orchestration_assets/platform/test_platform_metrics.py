"""Dagster's own health as governed metrics: read through the same door, published beside the data of the dbt project."""

import shutil
from pathlib import Path

import dagster as dg

from semantic.answer import MetricAnswer, Refusal
from semantic.ledger import ReadQuestion, find_reads
from semantic.lineage.declared import declared_graph
from tests.orchestration_assets.location import PLATFORM, make_quick_home
from tests.orchestration_assets.platform import weather
from tests.orchestration_assets.platform.told_shop import FAILURES, ToldShop


def test_a_failed_run_is_published_at_once_and_told_through_the_door(shop: ToldShop) -> None:
    assert shop.run([dg.AssetKey("exported"), dg.AssetKey("mailed")]).success
    ran = shop.fail("exported", "mailed", message=f"password={weather.SECRET}\nsecond line")
    before = shop.current
    tick = shop.refresh(has_pages=True)
    assert len(tick.requests) == 1
    assert shop.metadata(dg.AssetKey(["metrics", "dagster_failed_runs"]))["value"] == 1
    [failure] = shop.ask(FAILURES)
    assert failure["dagster_failure__run"] == ran.run_id
    assert failure["dagster_failure__asset"] == "exported"
    assert failure["dagster_failure__error_class"] == "ConnectionError"
    assert failure["dagster_failure__message"] == "password=[credential] | second line"
    assert failure["dagster_failure__definition"] == "unchanged"
    assert failure["dagster_failure__upstream"] == "fresh"
    assert failure["dagster_failures"] == 1
    after = shop.current
    assert after.is_of_platform
    assert not before.is_of_platform
    assert "No run has ended since" in shop.refresh().skipped


def test_the_data_of_the_project_stays_as_it_was(shop: ToldShop) -> None:
    before = shop.current
    shop.fail("exported")
    [request] = shop.refresh().requests
    after = shop.current
    names = before.metrics.keys() - shop.metrics.catalog.platform_metrics
    assert names >= {"customers", "orders", "revenue"}
    for name in names:
        assert after.metrics[name].data_version == before.metrics[name].data_version
        assert after.metrics[name].since == before.metrics[name].since
        assert after.published([name]) == before.published_at
        assert after.meanings[name] == before.meanings[name]
    assert after.published(["dagster_failures"]) == after.published_at > before.published_at
    answer = shop.answer({"metrics": ["orders", "dagster_failed_runs"]})
    assert isinstance(answer, MetricAnswer)
    assert list(answer.records()) == [{"orders": 9, "dagster_failed_runs": 1}]
    assert answer.provenance.published_at == before.published_at
    data, again = (shop.store.root / it.version / f"{it.database}.duckdb" for it in (before, after))
    assert data.stat().st_ino == again.stat().st_ino
    [run] = [
        it for it in shop.instance.get_runs() if it.tags.get("dagster/run_key") == request.run_key
    ]
    with shop.ledger() as ledger:
        measured = {read.metric for read in find_reads(ledger, ReadQuestion(run=[run.run_id]))}
    assert measured == shop.metrics.catalog.platform_metrics


def test_old_versions_of_the_platform_push_out_none_of_the_data(shop: ToldShop) -> None:
    first = shop.current.version
    for _ in range(6):
        shop.fail("exported")
        shop.refresh()
    assert first in shop.store.versions()
    assert len(shop.store.versions()) == 7
    with shop.metrics.resource.open(shop.instance) as metrics:
        data = metrics.snapshots.open(shop.store.record(first))
        assert data.execute("SELECT count(*) FROM till_analytics.orders", {}, 1).rows == [(9,)]
        data.close()


def test_a_platform_metric_comes_from_what_dagster_tells(shop: ToldShop) -> None:
    graph = declared_graph(shop.metrics.catalog)
    above = {str(edge.start): edge.end.name for edge in graph.edges}
    assert above['source "dagster_platform"."main"."failures"'].startswith("dagster_")
    rate = [edge.start.name for edge in graph.edges if edge.end.name == "dagster_run_failure_rate"]
    assert sorted(rate) == ["dagster_ended_runs", "dagster_failed_runs"]


def test_before_dbt_has_built_anything_the_platform_tells_of_itself(
    built_platform: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "shop"
    shutil.copytree(built_platform / "project", folder / "project")
    make_quick_home(folder)
    with ToldShop(folder) as shop:
        assert "policy of this code location is not the published one" in str(
            shop.run([PLATFORM]).failures
        )
        shop.publish_policy()
        shop.fail("exported")
        shop.refresh()
        failed = {it["dagster_failure__asset"] for it in shop.ask(FAILURES)}
        assert failed == {"platform_health", "exported"}
        refused = shop.answer({"metrics": ["orders"]})
        assert isinstance(refused, Refusal)
        assert "has not been published yet" in refused.message
