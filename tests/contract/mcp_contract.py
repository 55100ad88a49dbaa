"""Exactly what a client of the server sees before it has read anything, by both protocols.

    python -m tests.contract.mcp_contract

writes `mcp_contract.json`, which a test holds against the server: a change of what models read is looked at before it lands.
"""

import json
import sys
import tempfile
from pathlib import Path
from typing import Any

from mcp.client.client import Client

from semantic.dbt_manifest import load_catalog
from semantic.engines.embedded import embedded_engine
from semantic.ledger import Ledger
from semantic.snapshot import SnapshotStore
from tests.agent_resources.mcp_server.serving import DESK, ERAS, Served
from tests.semantic.door import build_door, publish_unmeasured
from tests.semantic.shop import build_shop

CONTRACT = Path(__file__).parent / "mcp_contract.json"


async def _seen(client: Client) -> dict[str, Any]:
    info = client.server_info
    listed = {
        "tools/list": await client.list_tools(),
        "resources/list": await client.list_resources(),
        "resources/templates/list": await client.list_resource_templates(),
        "resources/read": await client.read_resource("metrics://catalog"),
        "prompts/list": await client.list_prompts(),
        "prompts/get": await client.get_prompt("answer_with_metrics", {"question": "?"}),
    }
    return {
        "protocol": client.protocol_version,
        "server": {"name": info.name, "title": info.title},
        "instructions": client.instructions,
        "capabilities": _plain(client.server_capabilities),
        **{method: _plain(result) for method, result in listed.items()},
    }


def _plain(result: Any) -> Any:
    """A result without what says which release answered."""
    found = result.model_dump(mode="json", by_alias=True, exclude_none=True)
    found.get("_meta", {}).pop("io.modelcontextprotocol/serverInfo", None)
    return found


def contract_of(served: Served) -> dict[str, Any]:
    """By protocol, what a client of the shop's analysts sees."""
    return {era: served.ask(_seen, DESK, era=era) for era in ERAS}


def text_of(contract: dict[str, Any]) -> str:
    return json.dumps(contract, indent=1, ensure_ascii=False) + "\n"


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        shop = build_shop(Path(folder) / "shop")
        catalog = load_catalog(shop.target)
        store, ledger = SnapshotStore(Path(folder) / "snapshots"), Ledger.in_memory()
        engine = embedded_engine(catalog)
        build_door(catalog, engine, store, ledger)
        publish_unmeasured(store, catalog, shop.warehouse)
        CONTRACT.write_text(text_of(contract_of(Served(ledger, store, engine))))
        ledger.close()
    sys.stdout.write(f"written: {CONTRACT.name}\n")


if __name__ == "__main__":
    main()
