"""A code location and its Dagster instance in one folder, driven in process with real runs and real ticks."""

import shutil
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import dagster as dg
import duckdb

from semantic.ledger import Ledger, Read, ReadQuestion, find_reads
from semantic.snapshot import SnapshotStore
from semantic.snapshot_record import SnapshotRecord

REFRESH_SENSOR = "governed_snapshot_on_built_models"
AGENTS_SENSOR = "agents_on_changed_values"
OUTSIDE_SENSOR = "outside_reads"
PLATFORM_SENSOR = "platform_health_on_ended_runs"
PLATFORM = dg.AssetKey("platform_health")
SNAPSHOT = dg.AssetKey("governed_snapshot")
DAGSTER_YAML = "telemetry: {enabled: false}\n"
QUICK = """\
event_log_storage:
  module: dagster._core.storage.event_log
  class: ConsolidatedSqliteEventLogStorage
  config: {base_dir: %s}
compute_logs:
  module: dagster._core.storage.noop_compute_log_manager
  class: NoOpComputeLogManager
"""


def agent_key(name: str) -> dg.AssetKey:
    return dg.AssetKey(["agents", name])


def metric_key(name: str) -> dg.AssetKey:
    return dg.AssetKey(["metrics", name])


@dataclass(frozen=True, kw_only=True)
class Ran:
    """How a run ended, and the first line of what each failed step said."""

    run_id: str
    success: bool
    failures: Mapping[str, str]
    hints: Mapping[str, str]
    materialized: frozenset[dg.AssetKey]


class Location:
    """Definitions over a folder with a dbt project, its warehouse and a `DAGSTER_HOME`."""

    def __init__(
        self,
        folder: Path,
        definitions: dg.Definitions,
        warehouse: Path,
        *,
        home: Path | None = None,
    ) -> None:
        self.folder = folder
        self.definitions = definitions
        self.warehouse = warehouse
        self.home = home or home_of(folder)
        self.instance = dg.DagsterInstance.from_config(str(self.home))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.instance.dispose()

    @cached_property
    def job(self) -> dg.JobDefinition:
        return self.definitions.resolve_implicit_global_asset_job_def()

    @cached_property
    def repository(self) -> dg.RepositoryDefinition:
        return self.definitions.get_repository_def()

    @property
    def keys(self) -> frozenset[dg.AssetKey]:
        return frozenset(self.job.asset_layer.executable_asset_keys)

    @property
    def dbt_keys(self) -> list[dg.AssetKey]:
        """What dbt builds."""
        others = (
            "agents",
            "actions",
            "history",
            "metrics",
            "governed_snapshot",
            "access_report",
            "platform_health",
            "metrics_by_day",
            "arrivals",
        )
        return [key for key in self.keys if key.path[0] not in others]

    @property
    def metric_keys(self) -> list[dg.AssetKey]:
        return [key for key in self.keys if key.path[0] == "metrics"]

    @property
    def store(self) -> SnapshotStore:
        return SnapshotStore(self.home / "governed_agents" / "snapshots")

    @property
    def current(self) -> SnapshotRecord:
        return self.store.current()

    def run(
        self,
        keys: Sequence[dg.AssetKey],
        *,
        tags: Mapping[str, str] | None = None,
        config: Mapping[str, Any] | None = None,
    ) -> Ran:
        """One real run that materializes these assets."""
        result = self.job.execute_in_process(
            instance=self.instance,
            asset_selection=list(keys),
            tags=dict(tags or {}),
            run_config=dict(config or {}),
            raise_on_error=False,
        )
        failed = {
            event.step_key or "": event.step_failure_data
            for event in result.get_step_failure_events()
        }
        return Ran(
            run_id=result.run_id,
            success=result.success,
            failures={step: _told(data) for step, data in failed.items()},
            hints={
                step: str(data.user_failure_data.metadata["hint"].value)
                for step, data in failed.items()
                if data.user_failure_data and "hint" in data.user_failure_data.metadata
            },
            materialized=frozenset(
                event.asset_key
                for event in result.get_asset_materialization_events()
                if event.asset_key
            ),
        )

    def check(self, keys: Sequence[dg.AssetKey]) -> bool:
        """One real run of the checks of these assets, without making them again. Returns whether it succeeded."""
        checks = {
            check
            for check in self.repository.asset_graph.asset_check_keys
            if check.asset_key in keys
        }
        job = self.job.get_subset(asset_selection=set(), asset_check_selection=checks)
        return job.execute_in_process(instance=self.instance, raise_on_error=False).success

    def publish(self) -> SnapshotRecord:
        """A new snapshot of the warehouse as it is, by the real asset."""
        ran = self.run([SNAPSHOT])
        assert ran.success, ran.failures
        return self.current

    def change(self, *statements: str) -> None:
        """Changes the warehouse behind dbt's back, as data that came in would."""
        with duckdb.connect(str(self.warehouse)) as connection:
            for statement in statements:
                connection.execute(statement)

    def tick(self, sensor: str = AGENTS_SENSOR) -> "Tick":
        """One tick of a sensor, as a fresh process would do it."""
        with dg.build_sensor_context(
            instance=self.instance,
            repository_def=self.repository,
            sensor_name=sensor,
            resources=self.repository.get_top_level_resources(),
        ) as context:
            result = self.repository.get_sensor_def(sensor).evaluate_tick(context)
        return Tick(requests=tuple(result.run_requests or ()), skipped=result.skip_message or "")

    def run_all(self, tick: "Tick") -> None:
        """The runs that a tick asked for, one after the other; all of them succeed."""
        for request in tick.requests:
            ran = self.run_requested(request)
            assert ran.success, ran.failures

    def run_requested(self, request: dg.RunRequest) -> Ran:
        """The run that a sensor asked for, with the tags that the daemon gives it."""
        return self.run(
            list(request.asset_selection or ()),
            tags={**request.tags, "dagster/run_key": str(request.run_key)},
        )

    def metadata(self, key: dg.AssetKey) -> Mapping[str, Any]:
        """The metadata of the newest materialization, as plain values."""
        return {name: item.value for name, item in self.latest(key).metadata.items()}

    def evaluation(self, key: dg.AssetKey, check: str) -> dg.AssetCheckEvaluation:
        """How a check of an asset went the last time."""
        asked = dg.AssetCheckKey(key, check)
        storage = self.instance.event_log_storage
        [execution] = storage.get_latest_asset_check_execution_by_key([asked]).values()
        evaluation = execution.event.asset_check_evaluation if execution.event else None
        assert evaluation is not None
        return evaluation

    def tags(self, key: dg.AssetKey) -> Mapping[str, str]:
        """The tags of the newest materialization."""
        return self.latest(key).tags or {}

    def data_versions(self) -> dict[str, str]:
        """By metric, the data version that its asset shows."""
        found = {}
        for key in self.metric_keys:
            record = self.instance.get_latest_data_version_record(key)
            if record is not None:
                tags = record.event_log_entry.tags
                found[key.path[-1]] = str(tags["dagster/data_version"])
        return found

    def observations(self, run_id: str) -> list[dg.AssetObservation]:
        """The reads that Dagster was told of by a run."""
        return [
            entry.asset_observation
            for entry in self.instance.all_logs(run_id)
            if entry.asset_observation and entry.asset_observation.asset_key.path[0] == "metrics"
        ]

    def run_tags(self, run_id: str) -> Mapping[str, str]:
        run = self.instance.get_run_by_id(run_id)
        assert run is not None
        return run.tags

    def last_run(self, key: dg.AssetKey) -> dg.RunRecord:
        """The run that made an asset last."""
        latest = self.instance.get_latest_materialization_event(key)
        assert latest is not None
        record = self.instance.get_run_record_by_id(latest.run_id)
        assert record is not None
        return record

    def reads(self, run_id: str) -> list[Read]:
        """What the ledger holds of a run."""
        with self.ledger() as ledger:
            return list(find_reads(ledger, ReadQuestion(run=run_id)))

    def all_reads(self) -> list[Read]:
        """What the ledger holds of all runs."""
        with self.ledger() as ledger:
            return list(find_reads(ledger, ReadQuestion()))

    @contextmanager
    def ledger(self) -> Iterator[Ledger]:
        """The ledger of the instance."""
        opened = Ledger.open(self.home / "governed_agents" / "ledger.db")
        try:
            yield opened
        finally:
            opened.close()

    def latest(self, key: dg.AssetKey) -> dg.AssetMaterialization:
        latest = self.instance.get_latest_materialization_event(key)
        assert latest is not None
        assert latest.asset_materialization is not None
        return latest.asset_materialization


@dataclass(frozen=True, kw_only=True)
class Tick:
    """What a sensor asked for, or why it did not."""

    requests: tuple[dg.RunRequest, ...]
    skipped: str

    @property
    def agents(self) -> list[str]:
        """The agents that it asked for, by name."""
        return sorted(request.tags["governed_agents/agent"] for request in self.requests)

    def of(self, agent: str) -> dg.RunRequest:
        [request] = [item for item in self.requests if item.tags["governed_agents/agent"] == agent]
        return request

    def why_not(self, agent: str) -> str:
        [line] = [line for line in self.skipped.splitlines() if line.startswith(f"{agent}: ")]
        return line.removeprefix(f"{agent}: ")


@contextmanager
def going_on(location: Location, keys: list[dg.AssetKey] | None) -> Iterator[None]:
    """A run of these assets that has begun and not ended; without keys, the run of a whole job."""
    job = location.job if keys is None else location.job.get_subset(asset_selection=set(keys))
    run = location.instance.create_run_for_job(
        job_def=job,
        status=dg.DagsterRunStatus.STARTED,
        asset_selection=None if keys is None else frozenset(keys),
    )
    try:
        yield
    finally:
        location.instance.report_run_failed(run)


def home_of(folder: Path) -> Path:
    return folder / "home"


def make_home(folder: Path) -> None:
    home_of(folder).mkdir(parents=True)
    yaml_of(folder).write_text(DAGSTER_YAML)


def make_quick_home(folder: Path) -> None:
    """A home whose instance keeps the events of all runs in one file and no output of steps: to make such a file, and to start the
    four processes that copy the output, takes longer than most of these runs.
    """
    make_home(folder)
    yaml_of(folder).write_text(DAGSTER_YAML + quick(home_of(folder) / "history"))


def quick(history: Path | str) -> str:
    """What a dagster.yaml says for that, with the folder of the file."""
    return QUICK % history


def yaml_of(folder: Path) -> Path:
    return home_of(folder) / "dagster.yaml"


def fork(built: Path, to: Path) -> Path:
    """A copy of a folder that is not in use, with the times of its files."""
    shutil.copytree(built, to, ignore=shutil.ignore_patterns("*.lock"), dirs_exist_ok=True)
    moved(yaml_of(to), str(built), str(to))
    return to


def moved(yaml: Path, before: str, after: str) -> None:
    """Has a dagster.yaml name its folder where that is now."""
    yaml.write_text(yaml.read_text().replace(before, after))


def names_of(keys: Iterable[dg.AssetKey]) -> set[str]:
    return {key.path[-1] for key in keys}


def _told(data: Any) -> str:
    failure = data.user_failure_data
    return str(failure.description if failure else data.error.message if data.error else "")
