"""Whatever a tool is called with, it answers what may be had, or refuses; it fails never, and what it refuses is on record."""

import json
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from agent_resources.mcp_server.tools import tools
from semantic.asked import MAX_TEXT
from tests.agent_resources.mcp_server.serving import DESK, Served
from tests.semantic.shop import seed_customers

NAMES = st.sampled_from(
    [
        "orders",
        "revenue",
        "customers",
        "ORDERS",
        "orders ",
        "оrders",
        "orders\u200b",
        "customer__region",
        "customer__full_name",
        "customer__email",
        "metric_time__day",
        "Dimension('customer__full_name')",
        "orders; DROP TABLE orders",
        "{{ 7*7 }}",
        "",
    ]
)
TEXTS = st.one_of(
    NAMES, st.text(max_size=40), st.sampled_from(["\x00", "\ud800", "x" * (MAX_TEXT + 1)])
)
SCALARS = st.one_of(
    TEXTS, st.integers(), st.floats(), st.booleans(), st.none(), st.just(2**70), st.just(-1)
)
ANYTHING = st.recursive(
    SCALARS,
    lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(TEXTS, inner, max_size=3)),
    max_leaves=12,
)
CONDITIONS = st.fixed_dictionaries(
    {"dimension": NAMES},
    optional={
        "operator": st.sampled_from(["=", "in", "contains", "is_null", "between", "LIKE", "or"]),
        "values": st.one_of(st.lists(SCALARS, max_size=3), SCALARS),
        "sql": TEXTS,
    },
)
LIKELY: dict[str, st.SearchStrategy[Any]] = {
    "metrics": st.lists(NAMES, max_size=3),
    "group_by": st.lists(NAMES, max_size=3),
    "filters": st.lists(CONDITIONS, max_size=2),
    "order_by": st.lists(NAMES, max_size=2),
    "time_range": st.one_of(
        st.sampled_from(["last 7 days", "last 0 days", "yesterday"]),
        st.fixed_dictionaries({"start": st.just("2026-01-01"), "end": TEXTS}),
    ),
    "limit": st.integers(-5, 20),
    "offset": st.integers(-5, 20),
    "name": NAMES,
    "dimension": NAMES,
    "contains": TEXTS,
    "search": TEXTS,
    "after": TEXTS,
}


def arguments_of(properties: list[str]) -> st.SearchStrategy[dict[str, Any]]:
    likely = {name: st.one_of(LIKELY.get(name, TEXTS), ANYTHING) for name in properties}
    known = st.fixed_dictionaries({}, optional={**likely, "where": TEXTS})
    more = st.one_of(st.just({}), st.dictionaries(TEXTS, ANYTHING, max_size=1))
    return st.builds(lambda one, other: {**other, **one}, known, more)


@pytest.mark.parametrize("tool", [tool.name for tool in tools()])
def test_no_arguments_break_a_tool(served: Served, tool: str) -> None:
    [schema] = [it.input_schema for it in tools() if it.name == tool]
    names = [customer.full_name for customer in seed_customers()]
    principals = served.door.served

    @settings(max_examples=150)
    @example({"\ud800": 1})
    @example({"name": "\ud800", "metrics": ["\ud800"], "dimension": "\ud800"})
    @given(arguments_of(list(schema["properties"])))
    def play(arguments: dict[str, Any]) -> None:
        with principals.caller(DESK, {}) as caller:
            result = caller.call(tool, arguments)
        assert json.loads(result.as_text.encode())
        json.dumps(dict(result.structured), ensure_ascii=False).encode()
        if result.is_refusal:
            assert result.structured["read_id"] is not None
            return
        assert "where" not in arguments
        said = json.dumps(dict(result.structured))
        assert not [name for name in names if name in said]

    play()
    recorded = {body["id"] for kind in ("refusal", "tool_call") for body in served.records(kind)}
    assert recorded
