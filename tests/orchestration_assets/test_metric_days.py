"""The metrics on the past: a partition for each day, as the data was known then, read through the door."""

from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import duckdb
import pytest

from orchestration_assets.metric_days import METRIC_DAYS_KEY, MetricDays
from orchestration_assets.metrics_project import build_metrics_definitions
from semantic.ledger import ReadQuestion, find_reads
from tests.orchestration_assets.corner_shop import load_shop, warehouse_of
from tests.orchestration_assets.location import Location, fork

DAYS = MetricDays(start="2024-03-01", end="2024-03-06")


@pytest.fixture
def shop(built_shop: Path, tmp_path: Path) -> Iterator[Location]:
    folder = fork(built_shop, tmp_path / "shop")
    definitions = build_metrics_definitions(
        load_shop(folder), default_sensor_status=dg.DefaultSensorStatus.STOPPED, metrics_by_day=DAYS
    )
    with Location(folder, definitions, warehouse_of(folder)) as opened:
        yield opened


def test_a_day_tells_what_its_metrics_were(shop: Location) -> None:
    with duckdb.connect(str(shop.warehouse), read_only=True) as connection:
        by_day = "SELECT ordered_on::VARCHAR, count(*) FROM till_analytics.orders GROUP BY ALL"
        expected = dict(connection.execute(by_day).fetchall())
    for day in ("2024-03-01", "2024-03-02"):
        ran = shop.run([METRIC_DAYS_KEY], tags={"dagster/partition": day})
        assert ran.success, ran.failures
        latest = shop.latest(METRIC_DAYS_KEY)
        assert latest.partition == day
        assert latest.metadata["orders"].value == expected[day]
        assert str(latest.metadata["as_known"].value).startswith(f"covering {day}, snapshot v")
        with shop.ledger() as ledger:
            reads = list(find_reads(ledger, ReadQuestion(run=[ran.run_id])))
        assert {read.agent for read in reads} == {"refresh"}
        assert "orders" in {read.metric for read in reads}


def test_the_days_are_partitions(shop: Location) -> None:
    node = shop.repository.asset_graph.get(METRIC_DAYS_KEY)
    assert node.partitions_def is not None
    assert len(node.partitions_def.get_partition_keys()) == 5


def test_a_day_that_there_is_not_is_refused() -> None:
    with pytest.raises(ValueError, match="'2024-02-31' is no day; write it as 2013-01-31"):
        MetricDays(start="2024-02-31")


@pytest.mark.parametrize("end", ["2024-03-01", "2024-02-01"])
def test_days_that_are_none_are_refused(end: str) -> None:
    with pytest.raises(ValueError, match="is not after 2024-03-01"):
        MetricDays(start="2024-03-01", end=end)
