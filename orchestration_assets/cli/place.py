"""Where the record is that a command works on, and the door over what is published there."""

import os
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import typer

from agent_resources.ledger_place import ledger_place
from semantic.catalog import Catalog
from semantic.engine import MetricEngine
from semantic.engines.embedded import embedded_engine
from semantic.engines.stored import PLANS_FOLDER, StoredEngine
from semantic.errors import LedgerUnavailable, PolicyError
from semantic.governed_metrics import GovernedMetrics
from semantic.keys import load_mask_key
from semantic.ledger import STATE_FOLDER, Ledger
from semantic.ledger.registry import registered_agent
from semantic.policy import REFRESH, Policy, Reader
from semantic.published_metrics import PublishedMetrics, load_published_policy
from semantic.snapshot import SnapshotStore

STATE_VARIABLE = "GOVERNED_AGENTS_STATE"
LEDGER_VARIABLE = "GOVERNED_AGENTS_LEDGER"
DEMO_HOME = Path(".demo") / "dagster_home"


@dataclass(frozen=True)
class Place:
    """A DAGSTER_HOME, and the folder with the ledger and the snapshots: in it, unless `state_dir` names another."""

    home: Path
    state_dir: Path | None = None

    @classmethod
    def of(cls, command: typer.Context) -> "Place":
        """The place that a command works on, closed when it ends. Raises `LedgerUnavailable`."""
        place = cls.find()
        command.call_on_close(place.close)
        return place

    @classmethod
    def find(cls) -> "Place":
        """The home that DAGSTER_HOME names, or the demonstration's where that is unset, with the folder that
        GOVERNED_AGENTS_STATE names. Raises `LedgerUnavailable`.
        """
        elsewhere = os.environ.get(STATE_VARIABLE)
        state = Path(elsewhere).expanduser().resolve() if elsewhere else None
        named = os.environ.get("DAGSTER_HOME")
        if named:
            return cls(Path(named).expanduser().resolve(), state)
        here = Path.cwd()
        for folder in (here, *here.parents):
            if (folder / DEMO_HOME).is_dir():
                return cls(folder / DEMO_HOME, state)
        raise LedgerUnavailable(
            "DAGSTER_HOME is not set, and there is no demonstration here",
            hint=f"set DAGSTER_HOME to the home of your Dagster instance{f', beside {STATE_VARIABLE}' if elsewhere else ''}, "
            "or run `make demo` first",
        )

    def close(self) -> None:
        """Closes the record, if it was opened."""
        if "ledger" in vars(self):
            self.ledger.close()

    @property
    def state(self) -> Path:
        return self.state_dir or self.home / STATE_FOLDER

    @cached_property
    def ledger(self) -> Ledger:
        place = ledger_place(
            self.state,
            url=os.environ.get(LEDGER_VARIABLE, ""),
            database=_database_of(self.home),
        )
        if isinstance(place, Path) and not place.is_file():
            raise LedgerUnavailable(
                f"There is no record in {self.state}",
                hint="materialize governed_snapshot once, or set DAGSTER_HOME to another home; "
                f"where the resource has a state_dir or a ledger, set {STATE_VARIABLE} or {LEDGER_VARIABLE} to it",
            )
        return Ledger.open(place, keys=self.state)

    @cached_property
    def snapshots(self) -> SnapshotStore:
        return SnapshotStore(self.state / "snapshots")

    @cached_property
    def catalog(self) -> Catalog:
        return self.snapshots.catalog(self.snapshots.current().version)

    @cached_property
    def policy(self) -> Policy:
        return load_published_policy(self.ledger)

    @cached_property
    def engine(self) -> MetricEngine:
        """The engine for what is published, with what it said before on file."""
        return self._engine_of(self.catalog)

    @cached_property
    def metrics(self) -> GovernedMetrics:
        """The door over what is published: its definitions, its policy, its data."""
        return self.published.current()

    @cached_property
    def published(self) -> PublishedMetrics:
        """The same for a process that stays, at each time it is opened."""
        return PublishedMetrics(
            ledger=self.ledger,
            snapshots=self.snapshots,
            engine=self._engine_of,
            mask_key=load_mask_key(self.state),
        )

    def _engine_of(self, catalog: Catalog) -> MetricEngine:
        return StoredEngine(catalog, embedded_engine, self.state / PLANS_FOLDER)

    def reader(self, name: str) -> Reader:
        """A reader by name. An agent that is registered asks for what its definition asks for, and no more."""
        if name == REFRESH:
            raise PolicyError(
                f"'{REFRESH}' is the reader that measures every metric, and nobody else reads as it",
                hint="name the reader that you are",
            )
        registered = registered_agent(self.ledger, name)
        return Reader(name=name, asks=frozenset(registered["metrics"]) if registered else None)


def _database_of(home: Path) -> str | None:
    """The database of the Dagster instance of a home, None where it has none."""
    try:
        configured = (home / "dagster.yaml").read_text()
    except OSError:
        return None
    if "postgres" not in configured:
        return None
    # Importing Dagster takes a second, which commands on a file need not wait for.
    from dagster import DagsterInstance

    from agent_resources.metrics_resource import instance_database

    with DagsterInstance.from_config(str(home)) as instance:
        return instance_database(instance)
