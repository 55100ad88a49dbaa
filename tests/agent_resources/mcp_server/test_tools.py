"""What clients are given, through the official SDK, by the protocol of now and by the one before it."""

from decimal import Decimal
from typing import Any

import jsonschema
import pytest

from agent_resources.mcp_server.caller import MOST_ROWS
from agent_resources.mcp_server.tools import tools
from semantic.answer import MetricAnswer
from semantic.answer_json import answer_to_json
from semantic.ledger import ReadQuestion, find_reads
from semantic.policy import Reader
from tests.agent_resources.mcp_server.serving import (
    BOSS,
    DESK,
    ERAS,
    NORTH,
    Served,
    refused,
    text_of,
    told,
)

BY_REGION: dict[str, Any] = {
    "metrics": ["orders", "revenue"],
    "group_by": ["customer__region"],
    "order_by": ["-orders"],
}


@pytest.mark.parametrize("era", ERAS)
def test_an_answer_is_the_door_s_own_and_on_record(served: Served, era: str) -> None:
    result = served.ask(lambda client: client.call_tool("query_metrics", BY_REGION), era=era)
    answer = told(result)
    door = served.door.served.published.current()
    same = door.query(BY_REGION, reader=Reader(name=DESK.name))
    assert isinstance(same, MetricAnswer)
    assert answer["columns"] == list(same.columns)
    assert [[str(cell) for cell in row] for row in answer["rows"]] == [
        [str(Decimal(cell).normalize() if isinstance(cell, Decimal) else cell) for cell in row]
        for row in same.rows
    ]
    provenance = answer["provenance"]
    assert provenance["metrics"] == answer_to_json(same)["provenance"]["metrics"]
    reads = {it.read_id: it for it in find_reads(served.ledger, ReadQuestion(metric="orders"))}
    read = reads[answer["read_id"]]
    assert (read.agent, read.outcome, read.purpose) == (DESK.name, "allowed", "mcp")
    sessions = served.records("session")
    assert {body["run_id"] for body in sessions} == {read.run_id}
    assert text_of(result)["rows"] == answer["rows"]


def test_every_result_keeps_to_its_schema(served: Served) -> None:
    schemas = {tool.name: tool.output_schema for tool in tools()}
    calls: dict[str, dict[str, Any]] = {
        "list_metrics": {},
        "describe_metric": {"name": "orders"},
        "dimension_values": {"dimension": "customer__region", "metrics": ["orders"]},
        "query_metrics": BY_REGION,
        "explain_query": BY_REGION,
        "list_saved_queries": {},
    }
    assert set(calls) == set(schemas)
    for name, arguments in calls.items():
        result = served.call(name, BOSS, **arguments)
        jsonschema.validate(told(result), schemas[name] or {})


def test_lists_come_in_pages_and_a_search_keeps_what_holds_its_words(served: Served) -> None:
    names = [item["name"] for item in told(served.call("list_metrics"))["metrics"]]
    assert names == ["average_order", "orders", "revenue", "revenue_running"]
    after = told(served.call("list_metrics", after="orders"))
    assert [item["name"] for item in after["metrics"]] == ["revenue", "revenue_running"]
    found = told(served.call("list_metrics", search="REVENUE running"))
    assert [item["name"] for item in found["metrics"]] == ["revenue_running"]


def test_an_answer_comes_in_pages_that_together_are_the_whole(served: Served) -> None:
    asked = {"metrics": ["orders"], "group_by": ["metric_time__day"]}
    whole = told(served.call("query_metrics", **asked))
    assert not whole["truncated"]
    assert whole["next_offset"] is None
    rows, offset = [], 0
    while offset is not None:
        page = told(served.call("query_metrics", **asked, limit=2, offset=offset))
        rows += page["rows"]
        offset = page["next_offset"]
    assert rows == whole["rows"]
    assert len(rows) > 2


def test_more_rows_than_can_be_sent_are_not_asked_for(served: Served) -> None:
    told(served.call("query_metrics", metrics=["orders"], limit=100_000))
    [read] = find_reads(served.ledger, ReadQuestion(metric="orders"))
    assert read.query is not None
    assert read.query["limit"] == MOST_ROWS


@pytest.mark.parametrize("era", ERAS)
@pytest.mark.parametrize(
    ("tool", "arguments", "reason", "says"),
    [
        ("query_metrics", {"metrics": ["customers"]}, "not_available", "'customers' is not"),
        ("query_metrics", {"metrics": ["nothing"]}, "not_available", "'nothing' is not"),
        ("query_metrics", {"metrics": ["orders"], "sql": "x"}, "invalid_query", "sql"),
        ("query_metrics", {"metrics": "SELECT 1"}, "not_available", "SELECT 1"),
        ("query_metrics", {"metrics": {"$ne": 1}}, "invalid_query", "metrics"),
        ("query_metrics", {}, "invalid_query", "metrics names nothing"),
        ("query_metrics", {"metrics": ["orders"], "limit": True}, "invalid_query", "limit"),
        ("explain_query", {"metrics": ["customers"]}, "not_available", "'customers'"),
        ("describe_metric", {"name": "customers"}, "not_available", "'customers' is not"),
        ("describe_metric", {"name": "ordres"}, "not_available", "'ordres' is not"),
        ("describe_metric", {"name": 7}, "invalid_query", "name"),
        ("describe_metric", {}, "invalid_query", "name"),
        ("list_metrics", {"like": "%"}, "invalid_query", "like"),
        ("dimension_values", {"dimension": "customer__email", "metrics": ["orders"]}, "not_av", ""),
        ("read_table", {"name": "orders"}, "invalid_query", "no tool"),
    ],
)
def test_a_refusal_says_why_gives_nothing_and_is_on_record(
    served: Served, era: str, tool: str, arguments: dict[str, Any], reason: str, says: str
) -> None:
    result = refused(served.ask(lambda client: client.call_tool(tool, arguments), era=era))
    assert result["refused"].startswith(reason)
    assert says in result["message"]
    assert "rows" not in result
    bodies = [*served.records("refusal"), *served.records("tool_call")]
    assert [body["id"] for body in bodies] == [result["read_id"]]
    assert bodies[0]["reader"] == DESK.name
    assert bodies[0]["run_id"] is not None


def test_what_is_not_there_and_what_is_not_yours_are_refused_alike(served: Served) -> None:
    def message(name: str) -> tuple[str, str | None]:
        result = refused(served.call("describe_metric", name=name))
        return result["message"].replace(name, "it"), result["hint"]

    assert message("customers") == message("zzzzzzzzz")

    async def read(client: Any, name: str) -> str:
        with pytest.raises(Exception, match="nothing of this name") as caught:
            await client.read_resource(f"metrics://metric/{name}")
        return str(caught.value)

    told_of = {
        name: served.ask(lambda client, name=name: read(client, name))  # type: ignore[misc]
        for name in ("customers", "zzzzzzzzz")
    }
    assert len(set(told_of.values())) == 1
    assert len(served.records("tool_call")) == 4


def test_each_sees_its_own_rows_and_pseudonyms(served: Served) -> None:
    by_name = {"metrics": ["orders"], "group_by": ["customer__full_name"]}
    north = told(served.call("query_metrics", NORTH, **by_name))
    boss = told(served.call("query_metrics", BOSS, **by_name))
    names = {row[0] for row in boss["rows"]}
    assert not names & {row[0] for row in north["rows"]}
    assert len(north["rows"]) == 2
    assert any("masked" in notice for notice in north["notices"])
    assert refused(served.call("query_metrics", **by_name))["refused"] == "not_available"


def test_resources_and_prompts_are_the_caller_s(served: Served) -> None:
    async def everything(client: Any) -> tuple[list[str], str, list[str], str]:
        listed = await client.list_resources()
        catalog = await client.read_resource("metrics://catalog")
        prompts = await client.list_prompts()
        question = {"question": "How many orders?"}
        prompt = await client.get_prompt("answer_with_metrics", question)
        return (
            [item.uri for item in listed.resources],
            catalog.contents[0].text,
            [item.name for item in prompts.prompts],
            prompt.messages[0].content.text,
        )

    uris, catalog, prompts, text = served.ask(everything)
    names = ["average_order", "orders", "revenue", "revenue_running"]
    assert uris == ["metrics://catalog", *(f"metrics://metric/{name}" for name in names)]
    assert "customers" not in catalog
    assert text.endswith("How many orders?")
    assert prompts == ["answer_with_metrics"]
    theirs = served.ask(everything, BOSS)
    assert len(theirs[0]) > len(uris)
