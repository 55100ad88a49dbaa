"""The data that reads are served from: one DuckDB file per version, with the governed relations only.

dbt can write to the warehouse while agents read, since they never open the same file. A version is staged beside the others,
measured, and then published by one atomic rename and one atomic pointer; a failed or interrupted publish leaves the last good
version current. A version's path is never used again: DuckDB keeps serving old data to a process that reopens a replaced file.

    <root>/CURRENT                          the name of the version that new readers get
    <root>/v000007/<database>.duckdb        governed relations
    <root>/v000007/snapshot.json            `SnapshotRecord`
    <root>/v000007/semantic_manifest.json   the definitions that this data was measured with
    <root>/v000007/manifest.json            the part of dbt's manifest that the catalogue needs
"""

import fcntl
import json
import os
import shutil
import threading
import uuid
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, field
from datetime import UTC, date, datetime
from enum import StrEnum
from pathlib import Path
from typing import Any

import duckdb

from semantic.catalog import Catalog
from semantic.dbt_manifest import load_catalog
from semantic.errors import SnapshotUnavailable, WarehouseUnavailable

KEPT_VERSIONS = 5
QUERY_TIMEOUT_MS = 30_000
_CURRENT = "CURRENT"
_RECORD = "snapshot.json"
_DAYS = ("first_day", "last_day", "until_day")


class State(StrEnum):
    """Whether what a metric is built from may be read. Unknown is not passing."""

    PASSING = "passing"
    FAILING = "failing"
    UNKNOWN = "unknown"


@dataclass(frozen=True, kw_only=True)
class ModelState:
    """The checks of one dbt model and of everything above it, when the snapshot was taken."""

    state: State
    reason: str = ""


def state_of_model(models: Mapping[str, ModelState], unique_id: str) -> ModelState:
    """The state of a dbt node. One that nobody looked at is unknown."""
    return models.get(unique_id) or ModelState(
        state=State.UNKNOWN, reason=f"nothing is known of the checks of {unique_id}"
    )


@dataclass(frozen=True, kw_only=True)
class MetricState:
    """One metric in a snapshot.

    `data_version` is the hash of its canonical rows over its declared scope; `since` is the snapshot with which this
    version began. `value` is its total, or where it has none that of the last day; `series` is (day, value) over the
    scope's days. Numbers are text without trailing zeros. `first_day` and `until_day` bound its data; `last_day` is the
    last for which all that it is made of has data. `reason` is told to readers, `detail` only to those who mend it.
    """

    definition_hash: str
    state: State
    reason: str = ""
    detail: str = ""
    data_version: str = ""
    since: str = ""
    value: str | None = None
    value_last_day: str | None = None
    series: tuple[tuple[str, str | None], ...] = ()
    first_day: date | None = None
    last_day: date | None = None
    until_day: date | None = None

    @property
    def why(self) -> str:
        """The reason with its detail, for those who mend it."""
        return f"{self.reason}: {self.detail}" if self.detail else self.reason


@dataclass(frozen=True, kw_only=True)
class VersionAsRead:
    """The data version of a metric over the rows that some readers see, and the snapshot with which it began."""

    data_version: str
    since: str


@dataclass(frozen=True, kw_only=True)
class SnapshotRecord:
    """What a snapshot holds and how good it is. `as_read` is keyed by `Permit.rows_key`, then by metric.

    By semantic model and element, `elements` are hashes of the definitions (`Catalog.element_hashes`) and `types` the DuckDB types.
    """

    version: str
    published_at: datetime
    run_id: str | None
    database: str
    manifest_hash: str
    relations: Mapping[str, int]
    models: Mapping[str, ModelState]
    metrics: Mapping[str, MetricState]
    as_read: Mapping[str, Mapping[str, VersionAsRead]] = field(default_factory=dict)
    elements: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    types: Mapping[str, Mapping[str, str]] = field(default_factory=dict)


class OpenSnapshot:
    """A version of the data, open for hardened, read-only queries. Safe for threads: each has its own cursor."""

    def __init__(self, path: Path, *, timeout_ms: int = QUERY_TIMEOUT_MS) -> None:
        config = {
            "enable_external_access": "false",
            "autoinstall_known_extensions": "false",
            "autoload_known_extensions": "false",
            "allow_community_extensions": "false",
            "max_execution_time": str(timeout_ms),
        }
        try:
            self._connection = duckdb.connect(str(path), read_only=True, config=config)
            _fix_settings(self._connection)
        except duckdb.Error as error:
            raise SnapshotUnavailable(
                f"Cannot open the snapshot {path.parent.name}",
                hint="materialize governed_snapshot again",
            ) from error
        self._local = threading.local()
        self._parsed: dict[str, duckdb.Statement] = {}

    def execute(self, sql: str, parameters: Mapping[str, Any], limit: int) -> list[tuple[Any, ...]]:
        """At most `limit` rows of one SELECT. Raises `duckdb.Error`."""
        cursor = getattr(self._local, "cursor", None)
        if cursor is None:
            cursor = self._local.cursor = self._connection.cursor()
        statement = self._parsed.get(sql)
        if statement is None:
            statement = self._parsed[sql] = _one_select(cursor, sql)
        return list(cursor.execute(statement, dict(parameters)).fetchmany(limit))

    def close(self) -> None:
        self._connection.close()


class SnapshotStore:
    """The versions under one folder."""

    def __init__(self, root: Path, *, keep: int = KEPT_VERSIONS) -> None:
        self.root = root
        self._keep = keep
        self._records: dict[str, SnapshotRecord] = {}

    def current_version(self) -> str | None:
        """The name of the version that new readers get, or None where nothing has been published."""
        try:
            return (self.root / _CURRENT).read_text().strip() or None
        except FileNotFoundError:
            return None
        except (OSError, UnicodeDecodeError) as error:
            raise SnapshotUnavailable(
                f"{self.root / _CURRENT} does not name a snapshot",
                hint="materialize governed_snapshot again",
            ) from error

    def current(self) -> SnapshotRecord:
        """The record of the current version. Raises `SnapshotUnavailable` where there is none."""
        version = self.current_version()
        if version is None:
            raise SnapshotUnavailable(
                "No data has been published yet", hint="materialize governed_snapshot"
            )
        return self.record(version)

    def record(self, version: str) -> SnapshotRecord:
        """The record of a version. Raises `SnapshotUnavailable` where it is gone."""
        if version not in self._records:
            try:
                self._records[version] = _record_from_json(
                    (self.root / version / _RECORD).read_text()
                )
            except (OSError, ValueError, KeyError, TypeError) as error:
                raise SnapshotUnavailable(
                    f"The snapshot {version} cannot be read",
                    hint="materialize governed_snapshot again",
                ) from error
        return self._records[version]

    def catalog(self, version: str) -> Catalog:
        """The catalogue that a version was measured with."""
        return load_catalog(self.root / version)

    def open(self, record: SnapshotRecord) -> OpenSnapshot:
        """A version, open for reading. It can be read to the end even after it was retired."""
        return OpenSnapshot(self.root / record.version / f"{record.database}.duckdb")

    def versions(self) -> tuple[str, ...]:
        """The names of all kept versions, oldest first."""
        if not self.root.is_dir():
            return ()
        return tuple(sorted(path.name for path in self.root.glob("v[0-9]*") if path.is_dir()))

    @contextmanager
    def stage(self, catalog: Catalog, warehouse: Path) -> Iterator["StagedSnapshot"]:
        """A new version that nobody sees until it is published. One at a time per folder.

        Raises `WarehouseUnavailable` where the warehouse is gone, locked or lacks a relation. What was not published when
        the block ends is removed.
        """
        self.root.mkdir(parents=True, exist_ok=True)
        with (self.root / "publish.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            for leftover in self.root.glob("staging-*"):
                shutil.rmtree(leftover, ignore_errors=True)
            folder = self.root / f"staging-{uuid.uuid4().hex}"
            folder.mkdir()
            try:
                file = folder / f"{catalog.database}.duckdb"
                rows = _copy_relations(catalog, warehouse, file)
                (folder / "semantic_manifest.json").write_text(catalog.semantic_manifest)
                (folder / "manifest.json").write_text(catalog.manifest_subset)
                yield StagedSnapshot(self, folder, catalog, rows, _types(catalog, file))
            finally:
                shutil.rmtree(folder, ignore_errors=True)

    def _next_version(self) -> str:
        versions = self.versions()
        return f"v{int(versions[-1][1:]) + 1 if versions else 1:06d}"

    def _retire(self) -> None:
        """Removes old versions: all but the newest few, the current one and the newest in which all was passing."""
        versions = self.versions()
        keep = {*versions[max(0, len(versions) - self._keep) :], self.current_version()}
        passing = (version for version in reversed(versions) if self._is_all_passing(version))
        keep.add(next(passing, None))
        for version in versions:
            if version not in keep:
                shutil.rmtree(self.root / version, ignore_errors=True)
                self._records.pop(version, None)

    def _is_all_passing(self, version: str) -> bool:
        try:
            states = {metric.state for metric in self.record(version).metrics.values()}
        except SnapshotUnavailable:
            return False
        return states == {State.PASSING}


class StagedSnapshot:
    """A copy of the governed relations that is measured before anybody may read it."""

    def __init__(
        self,
        store: SnapshotStore,
        folder: Path,
        catalog: Catalog,
        relations: Mapping[str, int],
        types: Mapping[str, Mapping[str, str]],
    ) -> None:
        self._store = store
        self._folder = folder
        self._catalog = catalog
        self.relations = relations
        self.types = types
        self.version = store._next_version()

    def open(self) -> OpenSnapshot:
        return OpenSnapshot(self._folder / f"{self._catalog.database}.duckdb")

    def unmeasured(
        self,
        models: Mapping[str, ModelState],
        metrics: Mapping[str, MetricState],
        run_id: str | None,
    ) -> SnapshotRecord:
        """The record of this version before its metrics have values."""
        return SnapshotRecord(
            version=self.version,
            published_at=datetime.now(UTC),
            run_id=run_id,
            database=self._catalog.database,
            manifest_hash=self._catalog.manifest_hash,
            relations=self.relations,
            models=models,
            metrics=metrics,
            elements=self._catalog.element_hashes,
            types=self.types,
        )

    def publish(self, record: SnapshotRecord) -> None:
        """Makes this version the current one, durably and at once."""
        (self._folder / _RECORD).write_text(json.dumps(_record_to_json(record), indent=1))
        for path in self._folder.iterdir():
            _sync(path)
        _sync(self._folder)
        root = self._store.root
        self._folder.rename(root / record.version)
        pointer = root / f"{_CURRENT}.next"
        pointer.write_text(record.version)
        _sync(pointer)
        pointer.replace(root / _CURRENT)
        _sync(root)
        self._store._retire()


def _copy_relations(catalog: Catalog, warehouse: Path, target: Path) -> dict[str, int]:
    """Copies the governed relations into a new file, under their own names. Returns their row counts."""
    if not warehouse.is_file():
        raise WarehouseUnavailable(
            f"There is no DuckDB warehouse at {warehouse}",
            hint="build the dbt project first, and check `path` in its profile: it counts from where dbt runs",
        )
    if shutil.disk_usage(target.parent).free < 2 * warehouse.stat().st_size:
        raise WarehouseUnavailable(
            f"Too little disk space beside {target.parent.parent} to copy the warehouse",
            hint="free some space; the last published version stays current",
        )
    connection = duckdb.connect(":memory:")
    try:
        _attach(connection, warehouse, catalog.database)
        connection.execute(f"ATTACH '{_escaped(target)}' AS governed_snapshot_target")
        return {name: _copy(connection, catalog.database, name) for name in catalog.relations()}
    finally:
        connection.close()


def _types(catalog: Catalog, file: Path) -> dict[str, dict[str, str]]:
    """By semantic model and element the DuckDB type, as far as the element's expression can be read."""
    found: dict[str, dict[str, str]] = {}
    with duckdb.connect(str(file), read_only=True) as connection:
        for name, model in catalog.semantic_models.items():
            found[name] = {}
            for element in model.elements.values():
                with suppress(duckdb.Error):
                    described = connection.execute(
                        f"DESCRIBE SELECT {element.expression} AS element FROM {model.relation}"
                    ).fetchone()
                    if described:
                        found[name][element.name] = str(described[1])
    return found


def _attach(connection: duckdb.DuckDBPyConnection, warehouse: Path, database: str) -> None:
    try:
        connection.execute(f"ATTACH '{_escaped(warehouse)}' AS \"{database}\" (READ_ONLY)")
    except duckdb.Error as error:
        if isinstance(error, duckdb.IOException) and "Could not set lock" in str(error):
            raise WarehouseUnavailable(
                f"The DuckDB warehouse {warehouse} is locked by another process",
                hint="wait until dbt is done, or close the program that holds it; then materialize again",
            ) from error
        raise WarehouseUnavailable(
            f"{warehouse} cannot be opened as a DuckDB file", hint="build the dbt project again"
        ) from error


def _copy(connection: duckdb.DuckDBPyConnection, database: str, relation: str) -> int:
    inside = relation.removeprefix(f'"{database}".')
    schema = inside.split(".")[0]
    try:
        connection.execute(f"CREATE SCHEMA IF NOT EXISTS governed_snapshot_target.{schema}")
        connection.execute(
            f"CREATE TABLE governed_snapshot_target.{inside} AS SELECT * FROM {relation}"
        )
        counted = connection.execute(
            f"SELECT count(*) FROM governed_snapshot_target.{inside}"
        ).fetchone()
    except duckdb.CatalogException as error:
        raise WarehouseUnavailable(
            f"The warehouse has no {relation}", hint="build the dbt project first: `dbt build`"
        ) from error
    except duckdb.Error as error:
        raise WarehouseUnavailable(
            f"{relation} cannot be copied: {str(error).splitlines()[0]}",
            hint="the last published version stays current; mend this and materialize again",
        ) from error
    return int(counted[0]) if counted else 0


def _fix_settings(connection: duckdb.DuckDBPyConnection) -> None:
    """Days are those of UTC, not of the machine that happens to answer, and nothing can be set from here on.

    A process that opens a file twice has one database behind both, and has fixed it already.
    """
    fixed = connection.execute("SELECT current_setting('lock_configuration')").fetchone()
    if fixed != (True,):
        connection.execute("SET GLOBAL TimeZone = 'UTC'")
        connection.execute("SET GLOBAL lock_configuration = true")


def _one_select(cursor: duckdb.DuckDBPyConnection, sql: str) -> duckdb.Statement:
    statements = cursor.extract_statements(sql)
    if len(statements) != 1 or statements[0].type != duckdb.StatementType.SELECT:
        raise SnapshotUnavailable("Only one SELECT can be run on a snapshot")
    return statements[0]


def _escaped(path: Path) -> str:
    return str(path).replace("'", "''")


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _record_to_json(record: SnapshotRecord) -> dict[str, Any]:
    plain = asdict(record)
    plain["published_at"] = record.published_at.isoformat()
    for metric in plain["metrics"].values():
        for key in _DAYS:
            metric[key] = metric[key].isoformat() if metric[key] else None
    return plain


def _record_from_json(text: str) -> SnapshotRecord:
    plain = json.loads(text)
    return SnapshotRecord(
        version=plain["version"],
        published_at=datetime.fromisoformat(plain["published_at"]),
        run_id=plain["run_id"],
        database=plain["database"],
        manifest_hash=plain["manifest_hash"],
        relations=plain["relations"],
        models={
            name: ModelState(state=State(item["state"]), reason=item["reason"])
            for name, item in plain["models"].items()
        },
        metrics={name: _metric_from_json(item) for name, item in plain["metrics"].items()},
        as_read={
            key: {name: VersionAsRead(**item) for name, item in metrics.items()}
            for key, metrics in plain["as_read"].items()
        },
        elements=plain.get("elements", {}),
        types=plain.get("types", {}),
    )


def _metric_from_json(item: Mapping[str, Any]) -> MetricState:
    series: Sequence[Sequence[str | None]] = item["series"]
    return MetricState(
        **{
            **item,
            "state": State(item["state"]),
            "series": tuple((str(day), value) for day, value in series),
            **{key: date.fromisoformat(item[key]) if item[key] else None for key in _DAYS},
        }
    )
