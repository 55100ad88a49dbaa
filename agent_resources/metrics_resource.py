"""The door as a Dagster resource, with what an operator may set."""

import threading
from pathlib import Path

import dagster as dg
from dagster import DagsterInstance
from pydantic import ConfigDict, Field

from agent_resources.ledger_place import ledger_place
from semantic.catalog import Catalog
from semantic.dbt_manifest import load_catalog
from semantic.engine import MetricEngine
from semantic.engines.stored import PLANS_FOLDER, StoredEngine
from semantic.errors import LedgerUnavailable
from semantic.governed_metrics import GovernedMetrics
from semantic.keys import load_mask_key
from semantic.ledger import STATE_FOLDER, Ledger, MostExposed
from semantic.open_snapshot import QueryLimits
from semantic.policy_file import load_policy
from semantic.result_cache import ResultCache
from semantic.snapshot import KEPT_VERSIONS, SnapshotStore

_TEMPORARY_HOME = ".tmp_dagster_home_"
_engines: dict[str, MetricEngine] = {}
_making_engine = threading.Lock()
_answers: dict[Path, ResultCache] = {}


class ReadSettings(dg.Config, dg.Resolvable):
    """What queries may use, how many snapshots are kept, and whether answers are kept in memory.

    A cached answer is on record like any other read, and falls with the policy, the snapshot and the definition.
    """

    model_config = ConfigDict(extra="forbid")

    query_seconds: float = Field(
        default=QueryLimits.seconds, gt=0, description="A query that takes longer is cancelled."
    )
    query_memory_mb: int | None = Field(
        default=None,
        ge=64,
        description="Queries of one process that together need more megabytes are cancelled; by default 80% of the machine's memory.",
    )
    kept_snapshots: int = Field(
        default=KEPT_VERSIONS,
        ge=1,
        description="How many of the newest snapshots stay, beside the newest in which every check passed.",
    )
    cache_answers: bool = Field(
        default=False,
        description="Serve a question that was asked before from memory, for as long as nothing has changed.",
    )

    @property
    def limits(self) -> QueryLimits:
        return QueryLimits(seconds=self.query_seconds, memory_mb=self.query_memory_mb)


class SealingSettings(dg.Config, dg.Resolvable):
    """How much may stand on record after the last checkpoint. Who writes a record that is too many signs the next one."""

    model_config = ConfigDict(extra="forbid")

    records: int = Field(
        default=MostExposed.records,
        ge=1,
        description="So many records, that of the checkpoint included.",
    )
    seconds: float = Field(
        default=MostExposed.seconds,
        gt=0,
        description="Each for so many seconds, while somebody writes.",
    )

    @property
    def most_exposed(self) -> MostExposed:
        return MostExposed(records=self.records, seconds=self.seconds)


class GovernedMetricsResource(dg.ConfigurableResource[None]):
    """Governed reading of one dbt project's metrics. It has no way to the warehouse: reads are served from snapshots.

    `dbt_target` is the folder with `semantic_manifest.json` and `manifest.json`. The snapshots, the keys and the record live in
    `$DAGSTER_HOME/governed_agents` unless `state_dir` names another folder, and `ledger` a database for the record.
    """

    dbt_target: str = Field(description="Folder with the dbt artifacts, usually <project>/target")
    policy: str = Field(description="Path of the central policy.yaml")
    state_dir: str = Field(
        default="", description="Folder for the ledger and snapshots; default: under DAGSTER_HOME"
    )
    ledger: str = Field(
        default="",
        description="URL of the Postgres database that keeps the record; default: the Dagster instance's own, where it is one, else a file",
    )
    dbt_project_dir: str = Field(
        default="",
        description="With it, artifacts that are older than the project's files are refused",
    )
    allow_ephemeral_record: bool = Field(
        default=False,
        description="Allow reads although the record is lost with this process: for tests and trials",
    )
    reading: ReadSettings = Field(
        default_factory=ReadSettings, description="What queries may use, and what is kept"
    )

    platform_metrics: bool = Field(
        default=False,
        description="Whether Dagster's own health is among the governed metrics",
    )
    sealing: SealingSettings = Field(
        default_factory=SealingSettings,
        description="How much of the record no checkpoint may cover",
    )

    def open(self, instance: DagsterInstance) -> GovernedMetrics:
        """The door with its ledger, as a context manager. Raises `GovernedMetricsError` that says what to mend."""
        folder = self.state_folder(instance)
        return GovernedMetrics(
            catalog=self.load_catalog(),
            policy=load_policy(Path(self.policy)),
            ledger=Ledger.open(
                self.ledger_place(instance), keys=folder, most_exposed=self.sealing.most_exposed
            ),
            snapshots=SnapshotStore(
                folder / "snapshots",
                keep=self.reading.kept_snapshots,
                limits=self.reading.limits,
            ),
            engine=lambda catalog: StoredEngine(catalog, _engine_of, folder / PLANS_FOLDER),
            mask_key=load_mask_key(folder),
            results=_answers.setdefault(folder, ResultCache())
            if self.reading.cache_answers
            else None,
        )

    def ledger_place(self, instance: DagsterInstance) -> Path | str:
        """The file or the URL of the record. Raises `LedgerUnavailable`."""
        return ledger_place(
            self.state_folder(instance), url=self.ledger, database=instance_database(instance)
        )

    def load_catalog(self) -> Catalog:
        """The catalogue of the dbt project, with the platform's metrics where these are asked for. Raises `ManifestError`."""
        project = Path(self.dbt_project_dir) if self.dbt_project_dir else None
        return load_catalog(
            Path(self.dbt_target), project_dir=project, platform_metrics=self.platform_metrics
        )

    def state_folder(self, instance: DagsterInstance) -> Path:
        """Where the record lives. Raises `LedgerUnavailable` where it would be lost with the process."""
        if self.state_dir:
            return Path(self.state_dir)
        root = Path(instance.root_directory)
        is_lost = instance.is_ephemeral or any(
            part.startswith(_TEMPORARY_HOME) for part in root.parts
        )
        if is_lost and not self.allow_ephemeral_record:
            raise LedgerUnavailable(
                "There is no durable place for the record of reads, so nothing can be read",
                hint="set DAGSTER_HOME to a folder that stays; or for a trial set "
                "allow_ephemeral_record: true on the SemanticMetricsComponent or the GovernedMetricsResource",
            )
        return root / STATE_FOLDER


def instance_database(instance: DagsterInstance) -> str | None:
    """The URL of the Postgres database of a Dagster instance, None where it has another storage."""
    found = getattr(instance.event_log_storage, "postgres_url", None)
    return found if isinstance(found, str) else None


def _engine_of(catalog: Catalog) -> MetricEngine:
    """The engine for these definitions. Making one takes a second, so a process keeps those it has made."""
    from semantic.engines.embedded import embedded_engine

    with _making_engine:
        if catalog.manifest_hash not in _engines:
            _engines[catalog.manifest_hash] = embedded_engine(catalog)
        return _engines[catalog.manifest_hash]
