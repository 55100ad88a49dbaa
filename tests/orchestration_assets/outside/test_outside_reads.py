"""Agents outside Dagster in its graph: what they read over a server is observed, each session once, whatever ends in between."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
from dagster import DagsterInstance

from agent_resources.errors import AgentDefinitionError
from agent_resources.mcp_server.principal import Principal
from agent_resources.mcp_server.served_metrics import ServedMetrics
from agent_resources.mcp_server.sessions import Sessions
from orchestration_assets.outside.outside_agents import load_outside_agents
from orchestration_assets.outside.outside_reads import SENSOR, send_outside_reads
from semantic.engines.embedded import embedded_engine
from semantic.keys import load_mask_key
from semantic.ledger.registry import registered_agent
from semantic.published_metrics import PublishedMetrics
from tests.orchestration_assets.corner_shop import build_definitions, load_shop, warehouse_of
from tests.orchestration_assets.location import Location, agent_key, fork, metric_key

DESK = Principal(name="boss_of@desk.example")
OTHER = Principal(name="boss_other")
FILE = """
agents:
  - name: research_desk
    description: Answers questions of the research team, in their own chat.
    owner: research@example.com
    known_as: boss_of@desk.example
    metrics: [orders, revenue, customers]
"""
ORDERS = {"metrics": ["orders"], "group_by": ["customer__region"]}
REVENUE = {"metrics": ["revenue"]}


@pytest.fixture
def shop(settled_shop: Path, tmp_path: Path) -> Iterator[Location]:
    folder = fork(settled_shop, tmp_path / "settled")
    (folder / "outside_agents.yaml").write_text(FILE)
    metrics = load_shop(folder)
    outside = load_outside_agents(folder / "outside_agents.yaml", metrics.catalog, metrics.policy)
    definitions = build_definitions(folder, replace(metrics, outside=outside))
    with Location(folder, definitions, warehouse_of(folder)) as location:
        yield location


@contextmanager
def session(shop: Location, who: Principal = DESK, *, ends: bool = True) -> Iterator[Any]:
    """A server over what the shop has published, for one session. Where it does not end, its process was killed."""
    with shop.ledger() as ledger:
        published = PublishedMetrics(
            ledger=ledger,
            snapshots=shop.store,
            engine=embedded_engine,
            mask_key=load_mask_key(shop.home / "governed_agents"),
        )
        served = ServedMetrics(published, sessions=Sessions(ledger))

        def query(asked: dict[str, Any]) -> bool:
            with served.caller(who, {"name": "a test"}) as caller:
                return not caller.call("query_metrics", asked).is_refusal

        yield query
        if ends:
            served.sessions.close()


def observed(shop: Location, key: dg.AssetKey) -> list[dg.AssetObservation]:
    """What was observed of an asset outside of runs, in the order in which it was."""
    found = shop.instance.fetch_observations(key, limit=1_000, ascending=True)
    sent = [record.asset_observation for record in found.records if record.run_id == ""]
    return [item for item in sent if item is not None]


def test_an_agent_outside_is_an_asset_below_what_it_may_read(shop: Location) -> None:
    graph = shop.repository.asset_graph
    node = graph.get(agent_key("research_desk"))
    assert node.is_external
    assert node.parent_keys == {metric_key("orders"), metric_key("revenue")}
    assert node.metadata["known_as"] == DESK.name
    assert "asks_for" in node.metadata


def test_a_session_becomes_one_batch_of_observations(shop: Location) -> None:
    before = shop.data_versions()
    with session(shop) as query:
        assert query(ORDERS)
        assert query(ORDERS)
        assert query(REVENUE)
        assert not query({"metrics": ["customers"]})
        assert "0 observations of 0 sessions" in shop.tick(SENSOR).skipped, "it is not over"
    assert "3 observations of 1 sessions" in shop.tick(SENSOR).skipped
    [orders], [revenue] = (observed(shop, metric_key(name)) for name in ("orders", "revenue"))
    [agent] = observed(shop, agent_key("research_desk"))
    plain = {name: item.value for name, item in orders.metadata.items()}
    assert plain["agent"] == agent_key("research_desk")
    assert plain["reads"] == 2
    assert plain["data_version_read"] == before["orders"]
    reads = shop.reads(str(plain["session"]))
    assert set(plain["read_ids"]) == {it.read_id for it in reads if it.metric == "orders"}
    assert orders.tags["dagster/reporting_user"] == DESK.name
    assert {it.metadata["session"].value for it in (orders, revenue, agent)} == {plain["session"]}
    assert agent.metadata["reads"].value == 3
    assert agent.metadata["refused"].value == 1
    assert shop.data_versions() == before, "a read is no update"
    assert "0 observations" in shop.tick(SENSOR).skipped


def test_what_was_read_before_it_changed_is_no_news(shop: Location) -> None:
    with session(shop) as query:
        assert query(REVENUE)
    shop.change("UPDATE till_analytics.orders SET amount = amount + 1")
    assert shop.publish()
    assert shop.run([metric_key("revenue")]).success
    now = shop.data_versions()["revenue"]
    shop.tick(SENSOR)
    [revenue] = observed(shop, metric_key("revenue"))
    assert revenue.metadata["data_version_read"].value != now
    assert shop.data_versions()["revenue"] == now
    assert shop.tick().agents == ["boss", "north"]


class Ended(Exception):
    """The process that sent was ended."""


@pytest.mark.parametrize("after", [0, 1, 2])
def test_a_crash_between_the_record_and_dagster_loses_and_doubles_nothing(
    shop: Location, monkeypatch: pytest.MonkeyPatch, after: int
) -> None:
    for _ in range(2):
        with session(shop) as query:
            assert query(ORDERS)
            assert query(REVENUE)
    report, left = DagsterInstance.report_runless_asset_event, iter(range(after))

    def ended(instance: DagsterInstance, event: Any) -> None:
        if next(left, None) is None:
            raise Ended
        report(instance, event)

    monkeypatch.setattr(DagsterInstance, "report_runless_asset_event", ended)
    with pytest.raises(Ended):
        shop.tick(SENSOR)
    monkeypatch.undo()
    assert f"{6 - after} observations of 2 sessions" in shop.tick(SENSOR).skipped
    for key in (metric_key("orders"), metric_key("revenue"), agent_key("research_desk")):
        sessions = [it.metadata["session"].value for it in observed(shop, key)]
        assert len(sessions) == len(set(sessions)) == 2


def test_a_crash_before_it_is_on_record_that_all_was_sent_doubles_nothing(
    shop: Location, monkeypatch: pytest.MonkeyPatch
) -> None:
    with session(shop) as query:
        assert query(ORDERS)

    def ended(*_: object, **__: object) -> None:
        raise Ended

    where = "orchestration_assets.outside.outside_reads.record_export"
    monkeypatch.setattr(where, ended)
    with pytest.raises(Ended):
        shop.tick(SENSOR)
    monkeypatch.undo()
    assert "0 observations of 1 sessions" in shop.tick(SENSOR).skipped
    assert len(observed(shop, metric_key("orders"))) == 1


def test_a_session_whose_server_was_killed_is_sent_when_it_must_be_over(shop: Location) -> None:
    with session(shop, ends=False) as query:
        assert query(ORDERS)
    with session(shop, OTHER) as query:
        assert query(REVENUE)
    assert "1 observations of 1 sessions" in shop.tick(SENSOR).skipped
    metrics = load_shop(shop.folder)
    with shop.ledger() as ledger:
        agents = [
            it.agent
            for it in load_outside_agents(
                shop.folder / "outside_agents.yaml", metrics.catalog, metrics.policy
            )
        ]
        later = datetime.now(UTC) + timedelta(hours=2)
        for expected in (1, 0):
            sent = send_outside_reads(shop.instance, ledger, agents, metrics.metric_keys, later)
            assert sent.sessions == expected
    assert len(observed(shop, metric_key("orders"))) == 1
    assert len(observed(shop, metric_key("revenue"))) == 1


def test_who_is_not_declared_is_seen_on_the_metrics_alone(shop: Location) -> None:
    with session(shop, OTHER) as query:
        assert query(ORDERS)
    shop.tick(SENSOR)
    [orders] = observed(shop, metric_key("orders"))
    assert orders.metadata["agent"].value == OTHER.name
    assert not shop.instance.has_asset_key(agent_key("boss_other"))


def test_a_declared_agent_is_registered_and_gets_what_it_asks_for_at_most(
    shop: Location,
) -> None:
    text = FILE.replace("[orders, revenue, customers]", "[revenue]")
    (shop.folder / "outside_agents.yaml").write_text(text)
    metrics = load_shop(shop.folder)
    outside = load_outside_agents(
        shop.folder / "outside_agents.yaml", metrics.catalog, metrics.policy
    )
    definitions = build_definitions(shop.folder, replace(metrics, outside=outside))
    with Location(shop.folder, definitions, warehouse_of(shop.folder)) as location:
        location.tick(SENSOR)
        with location.ledger() as ledger:
            registered = registered_agent(ledger, DESK.name)
        assert registered is not None
        assert (registered["outside"], registered["metrics"]) == (True, ["revenue"])
        with session(location) as query:
            assert query(REVENUE)
            assert not query(ORDERS)


@pytest.mark.parametrize(
    ("written", "says"),
    [
        ("agents: []", "at least 1"),
        (FILE.replace("revenue,", "revenues,"), "did you mean 'revenue'"),
        (FILE.replace("owner:", "ownr:"), "unknown key 'ownr'"),
        (FILE.replace("research@example.com", "the desk"), "is no e-mail address"),
        (FILE.replace("boss_of@desk.example", '"a\\u0007b"'), "no name that a token"),
        (FILE + FILE.partition("agents:\n")[2], "a second agent is known as"),
        (FILE.replace("name: research_desk", "name: refresh"), "measures every metric"),
    ],
)
def test_a_file_that_is_wrong_says_where(shop: Location, written: str, says: str) -> None:
    path = shop.folder / "outside_agents.yaml"
    path.write_text(written)
    metrics = load_shop(shop.folder)
    with pytest.raises(AgentDefinitionError) as caught:
        load_outside_agents(path, metrics.catalog, metrics.policy)
    assert says in str(caught.value)
    assert "outside_agents.yaml:" in str(caught.value)
