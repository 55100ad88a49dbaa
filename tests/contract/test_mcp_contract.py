"""What clients see is what was agreed upon."""

import re

from mcp_types import Tool

from agent_resources.mcp_server.tools import tools
from tests.agent_resources.mcp_server.serving import Served
from tests.contract.mcp_contract import CONTRACT, contract_of, text_of


def test_a_client_sees_what_the_committed_contract_says(served: Served) -> None:
    seen = text_of(contract_of(served))
    assert seen == CONTRACT.read_text(), (
        "Clients see something else than before. Read what has changed as a model would, then run: "
        "python -m tests.contract.mcp_contract"
    )
    assert seen == text_of(contract_of(served)), "the order is always the same"


def test_nothing_may_be_kept_for_another(served: Served) -> None:
    for method, result in contract_of(served)["auto"].items():
        if isinstance(result, dict) and "/list" in method:
            assert (result["ttlMs"], result["cacheScope"]) == (0, "private"), method


def test_no_tool_takes_sql() -> None:
    """Names are looked up, values are bound, and there is no other text."""
    free = {"search", "contains", "values", "time_range"}
    for tool in tools():
        for name, schema in _texts(tool):
            assert name in free or schema.get("maxLength", 0) <= 300 or "enum" in schema, name
        assert not re.search(r"\bwhere\b|\bhaving\b", str(tool.input_schema["properties"].keys()))


def _texts(tool: Tool) -> list[tuple[str, dict[str, object]]]:
    found: list[tuple[str, dict[str, object]]] = []

    def walk(name: str, schema: object) -> None:
        if isinstance(schema, dict):
            if schema.get("type") == "string" and "pattern" not in schema and "const" not in schema:
                found.append((name, schema))
            for key, item in schema.get("properties", {}).items():
                walk(key, item)
            for key in ("items", "anyOf"):
                walk(name, schema.get(key))
        elif isinstance(schema, list):
            for item in schema:
                walk(name, item)

    walk("", tool.input_schema)
    return found
