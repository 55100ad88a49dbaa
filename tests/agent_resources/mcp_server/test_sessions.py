"""Sessions: when they begin and end, and what a server that stays sees of what is published meanwhile."""

import shutil
from pathlib import Path
from typing import Any

import anyio
import duckdb
import pytest
from mcp.client.client import Client
from mcp.shared.subscriptions import ResourceUpdated

from agent_resources.mcp_server.server import build_server
from semantic.catalog import Catalog
from semantic.ledger import Ledger, ReadQuestion, find_reads
from semantic.snapshot import SnapshotStore
from tests.agent_resources.mcp_server.serving import BOSS, DESK, NORTH, Served, refused, told
from tests.dbt_build import BuiltProject
from tests.semantic.door import PATIENT, POLICY, RememberingEngine, build_door, publish

ORDERS = {"metrics": ["orders"]}


def sessions_of(served: Served, agent: str) -> list[str | None]:
    return [it.run_id for it in find_reads(served.ledger, ReadQuestion(agent=agent))][::-1]


def test_reads_that_follow_each_other_are_one_session(served: Served) -> None:
    for pause in (0, 299, 299, 301, 10):
        served.now += pause
        told(served.call("query_metrics", **ORDERS))
    told(served.call("query_metrics", BOSS, **ORDERS))
    first, *rest = sessions_of(served, DESK.name)
    assert rest[:2] == [first, first]
    assert rest[2] == rest[3] != first
    assert sessions_of(served, BOSS.name)[0] not in {first, *rest}
    told_of = [(it["reader"], it["reason"]) for it in served.records("session")]
    assert told_of == [
        (DESK.name, "began"),
        (DESK.name, "ended"),
        (DESK.name, "began"),
        (BOSS.name, "began"),
    ]
    served.door.close()
    assert [it["reason"] for it in served.records("session")].count("ended") == 3


def test_a_session_does_not_go_on_for_ever(served: Served) -> None:
    for _ in range(20):
        served.now += 200
        told(served.call("query_metrics", **ORDERS))
    assert len(set(sessions_of(served, DESK.name))) == 2


def test_what_a_client_says_of_itself_is_on_record_and_nobody_s_name(served: Served) -> None:
    from mcp_types import Implementation

    async def calling() -> None:
        info = Implementation(name="boss\n\x1b[31m", version="1" * 5_000)
        server = build_server(served.door, lambda _: DESK)
        async with Client(server, client_info=info) as client:
            await client.call_tool("query_metrics", {"metrics": ["customers"]})

    anyio.run(calling)
    [read] = find_reads(served.ledger, ReadQuestion())
    assert (read.agent, read.outcome) == (DESK.name, "refused")
    [record] = served.records("session")
    assert record["details"]["by"] == "configuration"


def test_another_policy_holds_for_the_next_call(served: Served) -> None:
    told(served.call("query_metrics", **ORDERS))
    served.publish_policy(POLICY.replace("[orders, revenue, ", "[revenue, "))
    assert refused(served.call("query_metrics", **ORDERS))["refused"] == "not_available"
    served.publish_policy()
    told(served.call("query_metrics", **ORDERS))


def test_a_record_that_cannot_be_written_releases_nothing(served: Served) -> None:
    told(served.call("query_metrics", **ORDERS))
    served.ledger.close()
    for tool, arguments in (("query_metrics", ORDERS), ("describe_metric", {"name": "customers"})):
        result = refused(served.call(tool, **arguments))
        assert result["refused"] == "ledger_unavailable"
        assert (result["message"], result["hint"]) == (
            "The read cannot be recorded, so nothing is released",
            None,
        ), "where the record is concerns nobody outside"
        assert result["read_id"] is None


@pytest.fixture
def moving(
    shop: BuiltProject,
    shop_catalog: Catalog,
    engine: RememberingEngine,
    ledger: Ledger,
    tmp_path: Path,
) -> "Moving":
    return Moving(shop, shop_catalog, engine, ledger, tmp_path)


class Moving:
    """A shop whose data changes while it is served."""

    def __init__(
        self,
        shop: BuiltProject,
        catalog: Catalog,
        engine: RememberingEngine,
        ledger: Ledger,
        folder: Path,
    ) -> None:
        self.warehouse = folder / shop.warehouse.name
        shutil.copy(shop.warehouse, self.warehouse)
        store = SnapshotStore(folder / "snapshots", limits=PATIENT)
        self._door = build_door(catalog, engine, store, ledger)
        self.publish()
        self.served = Served(ledger, store, engine)

    def publish(self) -> None:
        publish(self._door, self.warehouse, readers=("north",))

    def change(self, statement: str) -> None:
        with duckdb.connect(str(self.warehouse)) as connection:
            connection.execute(statement)
        self.publish()


@pytest.mark.filterwarnings("ignore:resources/subscribe is removed")
@pytest.mark.parametrize("era", ["auto", "legacy"])
def test_subscribers_are_told_of_changes_that_they_see_and_of_no_others(
    moving: Moving, era: str
) -> None:
    """Customer 2 is not of the north: what it buys moves what the boss sees, and nothing of north's."""
    uri = "metrics://metric/revenue"

    async def following(client: Any, changed: list[str], ready: anyio.Event) -> None:
        if era == "auto":
            async with client.listen(resource_subscriptions=[uri, "metrics://metric/nope"]) as it:
                ready.set()
                async for event in it:
                    assert isinstance(event, ResourceUpdated)
                    changed.append(event.uri)
        else:
            await client.subscribe_resource(uri)
            ready.set()
            await anyio.sleep(60)

    async def playing() -> tuple[list[str], list[str]]:
        boss: list[str] = []
        north: list[str] = []

        async def heard(changed: list[str], message: Any) -> None:
            params = getattr(message, "params", None)
            if era == "legacy" and getattr(params, "uri", None):
                changed.append(str(params.uri))

        async with anyio.create_task_group() as group:
            for who, changed in ((BOSS, boss), (NORTH, north)):
                ready = anyio.Event()
                group.start_soon(_follow, moving, who, era, following, changed, heard, ready)
                with anyio.fail_after(20):
                    await ready.wait()
            raises = "UPDATE till_analytics.orders SET amount = amount + 1 WHERE customer_id = {}"
            for customer, expected in ((2, (1, 0)), (1, (2, 1))):
                await anyio.to_thread.run_sync(moving.change, raises.format(customer))
                with anyio.move_on_after(15):
                    while (len(boss), len(north)) != expected:
                        await anyio.sleep(0.1)
                await anyio.sleep(1.5)
                assert (len(boss), len(north)) == expected
            group.cancel_scope.cancel()
        return boss, north

    boss, north = anyio.run(playing)
    assert (boss, north) == ([uri, uri], [uri])


async def _follow(
    moving: Moving,
    who: Any,
    era: Any,
    following: Any,
    changed: list[str],
    heard: Any,
    ready: anyio.Event,
) -> None:
    async def message(it: Any) -> None:
        await heard(changed, it)

    server = build_server(moving.served.door, lambda _: who)
    async with Client(server, mode=era, message_handler=message) as client:
        await following(client, changed, ready)


def test_what_is_published_meanwhile_is_answered_next(moving: Moving) -> None:
    before = told(moving.served.call("query_metrics", BOSS, metrics=["revenue"]))
    moving.change("UPDATE till_analytics.orders SET amount = amount + 1 WHERE customer_id = 2")
    after = told(moving.served.call("query_metrics", BOSS, metrics=["revenue"]))
    assert before["rows"] != after["rows"]
    assert before["provenance"]["snapshot"] != after["provenance"]["snapshot"]
    [first, second] = (it["provenance"]["metrics"][0]["data_version"] for it in (before, after))
    assert first != second
