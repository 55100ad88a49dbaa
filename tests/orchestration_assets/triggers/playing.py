"""The corner shop with agents whose triggers a test writes: changed, published, looked at and run, tick by tick."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

import dagster as dg
import yaml

from orchestration_assets.metrics_project import MetricsProject
from orchestration_assets.sensors import evaluate
from orchestration_assets.translator import MetricTranslator
from tests.orchestration_assets.corner_shop import (
    CORNER,
    build_definitions,
    load_shop,
    warehouse_of,
    watched_agents,
)
from tests.orchestration_assets.location import Location, Tick

ORDERS = "till_analytics.orders"
NEWEST = 9
NEWEST_DAY = "2024-03-05"


def write_agents(folder: Path, triggers: Mapping[str, Any], **more: Any) -> Path:
    """Agents of the shop with these triggers, by name: `boss` or `boss_...` sees all orders, `north` its own. `more` goes into each file."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "look.md").write_text((CORNER / "agents" / "look.md").read_text())
    for name, trigger in triggers.items():
        script = "north" if name == "north" else "boss"
        agent = {
            "name": name,
            "description": "Says how the metrics of the shop stand.",
            "model": f"scripted:tests.orchestration_assets.scripts:{script}",
            "instructions": "look.md",
            "metrics": ["orders", "revenue"],
            "trigger": {"at_most_every_minutes": 0} | trigger,
        }
        (folder / f"{name}.yaml").write_text(yaml.safe_dump(agent | more))
    return folder


class Played(Location):
    """A shop whose agents are in a folder of their own. `edit` changes its definitions, as a team does that adds checks and policies of its own."""

    def __init__(
        self,
        folder: Path,
        agents: Path,
        *,
        policy: Path = CORNER / "policy.yaml",
        translator: MetricTranslator | None = None,
        edit: Callable[[dg.Definitions], dg.Definitions] = lambda definitions: definitions,
    ) -> None:
        self.agents = agents
        loaded = load_shop(folder, policy=policy)
        self.metrics: MetricsProject = replace(loaded, translator=translator or loaded.translator)
        definitions = build_definitions(folder, self.metrics, agents=agents)
        super().__init__(folder, edit(definitions), warehouse_of(folder))

    def settle(self) -> None:
        """Has every agent run, on a snapshot that measures what they watch."""
        self.look()
        self.publish()
        for agent in watched_agents(self.metrics, self.agents):
            ran = self.run([agent.key])
            assert ran.success, ran.failures

    def look(self, *, now: datetime | None = None) -> Tick:
        """A tick at a moment."""
        with self.metrics.resource.open(self.instance) as metrics:
            result = evaluate(
                self.instance,
                metrics,
                watched_agents(self.metrics, self.agents),
                self.metrics.refreshed_keys,
                made_of=self.metrics.made_of,
                repository=self.repository,
                now=now,
            )
        skipped = result.skip_reason
        return Tick(
            requests=tuple(result.run_requests or ()),
            skipped=(skipped.skip_message if isinstance(skipped, dg.SkipReason) else skipped) or "",
        )

    def sell(self, amount: float, *, order: int = NEWEST) -> None:
        """Has an order be worth so much, and publishes that."""
        self.change(f"UPDATE {ORDERS} SET amount = {amount} WHERE order_id = {order}")
        self.publish()

    def add_day(self, day: str, amount: float) -> None:
        """An order on another day, published."""
        self.change(
            f"INSERT INTO {ORDERS} SELECT * REPLACE (100 + day(DATE '{day}') AS order_id, DATE '{day}' AS ordered_on, "
            f"{amount} AS amount) FROM {ORDERS} WHERE order_id = {NEWEST}"
        )
        self.publish()

    def why(self, agent: str) -> str:
        """What the newest run of an agent was told that it runs for."""
        return str(self.metadata(dg.AssetKey(["agents", agent])).get("because", ""))
