"""The corner shop with Dagster's own health among its metrics."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import dagster as dg

from orchestration_assets.asset_graph import whole_graph
from orchestration_assets.platform.settings import PlatformSettings
from semantic.answer import MetricAnswer, Refusal
from semantic.ledger import ReadContext
from semantic.policy import Reader
from semantic.policy_file import policy_text
from tests.dbt_build import build_once
from tests.orchestration_assets.corner_shop import (
    CORNER,
    build_definitions,
    load_shop,
    prepare,
    warehouse_of,
)
from tests.orchestration_assets.location import (
    PLATFORM,
    PLATFORM_SENSOR,
    SNAPSHOT,
    Location,
    Ran,
    Tick,
    make_quick_home,
)
from tests.orchestration_assets.platform import weather

FAILURES = {
    "metrics": ["dagster_failures"],
    "group_by": [
        f"dagster_failure__{name}"
        for name in (
            "run",
            "attempt",
            "asset",
            "error_class",
            "message",
            "last_good_run",
            "definition",
            "upstream",
        )
    ],
}


def build_platform(shared_folder: Path) -> Path:
    """The shop after dbt, the snapshot, its metrics and the assets beside it ran in Dagster, once."""

    def build(folder: Path) -> None:
        prepare(folder)
        make_quick_home(folder)
        with ToldShop(folder) as shop:
            ran = shop.run([*shop.dbt_keys, SNAPSHOT, *shop.metric_keys])
            assert ran.success, ran.failures

    return build_once(shared_folder / "told_shop", build)


class ToldShop(Location):
    """A shop whose reader `boss` may read everything that the platform tells."""

    def __init__(
        self,
        folder: Path,
        *,
        agents: Path = CORNER / "agents",
        policy: str = "",
        settings: PlatformSettings | None = None,
        sensor_interval_seconds: int = 30,
    ) -> None:
        self.agents = agents
        written = folder / "policy.yaml"
        rules, _, rest = (CORNER / "policy.yaml").read_text().partition("rules:\n")
        own = (
            "  - {permit: the platform is told, readers: [boss, doctor], metrics: ['dagster_*']}\n"
        )
        written.write_text(f"{rules}rules:\n{own}{rest}{policy}")
        self.metrics = load_shop(
            folder, policy=written, platform=settings or PlatformSettings(at_most_every_minutes=0)
        )
        definitions = dg.Definitions.merge(
            build_definitions(
                folder,
                self.metrics,
                agents=agents,
                sensor_interval_seconds=sensor_interval_seconds,
            ),
            weather.DEFINITIONS,
        )
        super().__init__(folder, definitions, warehouse_of(folder))

    def run(
        self,
        keys: Sequence[dg.AssetKey],
        *,
        tags: Mapping[str, str] | None = None,
        config: Mapping[str, Any] | None = None,
    ) -> Ran:
        """A run that knows the whole code location, as a launched one does."""
        token = whole_graph.set(self.repository.asset_graph)
        try:
            return super().run(keys, tags=tags, config=config)
        finally:
            whole_graph.reset(token)

    def publish_policy(self) -> None:
        """Publishes the policy, as its owner does on the command line."""
        with self.metrics.resource.open(self.instance) as metrics:
            text = policy_text(metrics.policy)
            metrics.ledger.publish_policy(metrics.policy.hash, text, by="its owner", run_id=None)

    def refresh(self, *, has_pages: bool = False) -> Tick:
        """A tick of the platform's sensor, and what it asks for; without the pages of the metrics, which nobody looks at, unless it `has_pages`."""
        tick = self.tick(PLATFORM_SENSOR)
        for request in tick.requests:
            keys = list(request.asset_selection or ()) if has_pages else [PLATFORM]
            ran = self.run(keys, tags={**request.tags, "dagster/run_key": str(request.run_key)})
            assert ran.success, ran.failures
        return tick

    def fail(self, *names: str, message: str = "no route to host") -> Ran:
        """A run of these assets that fails in the first."""
        weather.FAILS[names[0]] = message
        ran = self.run([dg.AssetKey(name) for name in names])
        assert not ran.success
        weather.FAILS.clear()
        return ran

    def ask(self, query: Mapping[str, Any], reader: str = "boss") -> list[dict[str, Any]]:
        """What a reader gets, as records."""
        answer = self.answer(query, reader)
        assert isinstance(answer, MetricAnswer), answer
        return list(answer.records())

    def answer(self, query: Mapping[str, Any], reader: str = "boss") -> MetricAnswer | Refusal:
        with (
            self.metrics.resource.open(self.instance) as metrics,
            metrics.session(Reader(name=reader), ReadContext()) as session,
        ):
            return session.query(dict(query))
