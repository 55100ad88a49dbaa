"""Where the record is that a command works on, and the door over what is published there."""

import os
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from agent_resources.metrics_resource import STATE_FOLDER
from semantic.catalog import Catalog
from semantic.engines.metricflow import MetricFlowCompiler
from semantic.errors import LedgerUnavailable, PolicyError
from semantic.governed_metrics import GovernedMetrics
from semantic.keys import load_mask_key
from semantic.ledger import Ledger
from semantic.policy import Policy, Reader
from semantic.policy_file import parse_policy
from semantic.snapshot import SnapshotStore

DEMO_HOME = Path(".demo") / "dagster_home"


@dataclass(frozen=True)
class Place:
    """A DAGSTER_HOME, and what governed agents keep in it."""

    home: Path

    @classmethod
    def find(cls) -> "Place":
        """The home that DAGSTER_HOME names, or the demonstration's where that is unset. Raises `LedgerUnavailable`."""
        named = os.environ.get("DAGSTER_HOME")
        if named:
            return cls(Path(named).expanduser().resolve())
        here = Path.cwd()
        for folder in (here, *here.parents):
            if (folder / DEMO_HOME).is_dir():
                return cls(folder / DEMO_HOME)
        raise LedgerUnavailable(
            "DAGSTER_HOME is not set, and there is no demonstration here",
            hint="set DAGSTER_HOME to the home of your Dagster instance, or run `make demo` first",
        )

    @property
    def state(self) -> Path:
        return self.home / STATE_FOLDER

    @cached_property
    def ledger(self) -> Ledger:
        path = self.state / "ledger.db"
        if not path.is_file():
            raise LedgerUnavailable(
                f"There is no record in {self.home}",
                hint="materialize governed_snapshot once, or set DAGSTER_HOME to another home",
            )
        return Ledger.open(path)

    @cached_property
    def snapshots(self) -> SnapshotStore:
        return SnapshotStore(self.state / "snapshots")

    @cached_property
    def catalog(self) -> Catalog:
        return self.snapshots.catalog(self.snapshots.current().version)

    @cached_property
    def policy(self) -> Policy:
        text = self.ledger.current_policy_text()
        if text is None:
            raise PolicyError(
                "No policy has been published yet",
                hint="materialize governed_snapshot, or run `governed-agents policy publish FILE`",
            )
        return parse_policy(text, source="the published policy")

    @cached_property
    def metrics(self) -> GovernedMetrics:
        """The door over what is published: its definitions, its policy, its data."""
        return GovernedMetrics(
            catalog=self.catalog,
            policy=self.policy,
            ledger=self.ledger,
            snapshots=self.snapshots,
            engine=MetricFlowCompiler,
            mask_key=load_mask_key(self.state),
        )

    def reader(self, name: str) -> Reader:
        """A reader by name. An agent that is registered asks for what its definition asks for, and no more."""
        registered = self.ledger.registered_agents().get(name)
        return Reader(name=name, asks=frozenset(registered["metrics"]) if registered else None)
