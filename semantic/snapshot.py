"""The data that reads are served from: one DuckDB file per version, with the governed relations only.

dbt can write to the warehouse while agents read, since they never open the same file. A version is staged beside the others,
measured, and then published by one atomic rename and one atomic pointer; a failed or interrupted publish leaves the last good
version current. A version's path is never used again: DuckDB keeps serving old data to a process that reopens a replaced file.

    <root>/CURRENT                          the name of the version that new readers get
    <root>/v000007/<database>.duckdb        governed relations
    <root>/v000007/dagster_platform.duckdb  what the platform tells of itself, where that is asked for
    <root>/v000007/snapshot.json            `SnapshotRecord`
    <root>/v000007/semantic_manifest.json   the definitions that this data was measured with
    <root>/v000007/manifest.json            the part of dbt's manifest that the catalogue needs
    <root>/changes/v000007.json             what it changed, kept for longer than the data
"""

import fcntl
import json
import shutil
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import fields
from datetime import UTC, datetime
from pathlib import Path

import duckdb

from semantic.asked import MAX_ROWS
from semantic.catalog import Catalog
from semantic.change_log import ChangeLog, changes_between
from semantic.dbt_manifest import load_catalog
from semantic.durable import sync
from semantic.errors import SnapshotUnavailable, WarehouseUnavailable
from semantic.open_snapshot import OpenSnapshot, QueryLimits
from semantic.platform.definitions import PLATFORM_DATABASE, is_of_platform
from semantic.platform.tables import (
    NO_TABLES,
    PLATFORM_FILE,
    Failure,
    PlatformTables,
    attach_platform,
    write_tables,
)
from semantic.recent import Recent
from semantic.snapshot_record import (
    MetricState,
    ModelState,
    SnapshotRecord,
    State,
    record_from_json,
    record_to_json,
)

KEPT_VERSIONS = 5
# More than are kept of the platform and of the data together; a process that stays sees thousands.
_RECORDS = 128
# They share the file of the data, and come often: who resumes a run is to find the one that it had.
_KEPT_OF_PLATFORM = 50
_CURRENT = "CURRENT"
_RECORD = "snapshot.json"
_CHANGES = "changes"


class SnapshotStore:
    """The versions under one folder, of which the newest `keep` stay. `limits` bound the queries on those that it opens."""

    def __init__(
        self, root: Path, *, keep: int = KEPT_VERSIONS, limits: QueryLimits | None = None
    ) -> None:
        self.root = root
        self._keep = keep
        self.limits = limits
        self._records: Recent[str, SnapshotRecord] = Recent(_RECORDS)
        self.changes = ChangeLog(root / _CHANGES)

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

    def readable_current(self) -> SnapshotRecord | None:
        """The same, None where there is none or where it is damaged."""
        try:
            return self.current()
        except SnapshotUnavailable:
            return None

    def record(self, version: str) -> SnapshotRecord:
        """The record of a version. Raises `SnapshotUnavailable` where it is gone."""
        known = self._records.get(version)
        if known is not None:
            return known
        try:
            found = record_from_json((self.root / version / _RECORD).read_text())
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise SnapshotUnavailable(
                f"The snapshot {version} cannot be read",
                hint="materialize governed_snapshot again",
            ) from error
        self._records.put(version, found)
        return found

    def catalog(self, version: str) -> Catalog:
        """The catalogue that a version was measured with."""
        return load_catalog(self.root / version)

    def open(self, record: SnapshotRecord) -> OpenSnapshot:
        """A version, open for reading. It can be read to the end even after it was retired."""
        return OpenSnapshot(
            self.root / record.version / f"{record.database}.duckdb", limits=self.limits
        )

    def known_failures(self) -> list[Failure]:
        """What the current version tells of failed runs; nothing where it tells nothing of the platform. It is told again as it was told first."""
        record = self.readable_current()
        if record is None or not any(map(is_of_platform, record.relations)):
            return []
        try:
            data = self.open(record)
        except SnapshotUnavailable:
            return []
        try:
            columns = [item.name for item in fields(Failure)]
            table = f"{PLATFORM_DATABASE}.main.failures"
            asked = f"SELECT {', '.join(columns)} FROM {table} ORDER BY failed_at DESC"
            rows = data.execute(asked, {}, MAX_ROWS).rows
            return [Failure(**dict(zip(columns, row, strict=True))) for row in rows]
        except duckdb.Error:
            # Of a version that is damaged, or of before another column: what is there to tell is looked for anew.
            return []
        finally:
            data.close()

    def versions(self) -> tuple[str, ...]:
        """The names of all kept versions, oldest first."""
        if not self.root.is_dir():
            return ()
        return tuple(sorted(path.name for path in self.root.glob("v[0-9]*") if path.is_dir()))

    @contextmanager
    def stage(
        self, catalog: Catalog, warehouse: Path, platform: PlatformTables = NO_TABLES
    ) -> Iterator["StagedSnapshot"]:
        """A new version that nobody sees until it is published. One at a time per folder. `platform` are the tables of the platform's metrics, where the
        catalogue has them.

        Raises `WarehouseUnavailable` where the warehouse is gone, locked or lacks a relation. What was not published when
        the block ends is removed.
        """
        with self._staging() as folder:
            rows = _copy_relations(catalog, warehouse, folder / f"{catalog.database}.duckdb")
            if catalog.platform_metrics:
                rows |= write_tables(platform, folder)
            yield StagedSnapshot(self, folder, catalog, rows, database=catalog.database)

    @contextmanager
    def stage_platform(
        self, catalog: Catalog, platform: PlatformTables
    ) -> Iterator["StagedSnapshot"]:
        """A new version in which only these tables are new: what dbt built is that of the current version, the same file. Without one it is empty.

        Raises `SnapshotUnavailable` where the current version is damaged.
        """
        with self._staging() as folder:
            before = self.current() if self.current_version() else None
            database = before.database if before else catalog.database
            file = folder / f"{database}.duckdb"
            if before is None:
                duckdb.connect(str(file)).close()
            else:
                _share(self.root / before.version / file.name, file)
            rows = write_tables(platform, folder)
            yield StagedSnapshot(
                self, folder, catalog, rows, database=database, is_of_platform=True, before=before
            )

    @contextmanager
    def _staging(self) -> Iterator[Path]:
        """A folder that becomes a version, or is removed."""
        self.root.mkdir(parents=True, exist_ok=True)
        with (self.root / "publish.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            for leftover in self.root.glob("staging-*"):
                shutil.rmtree(leftover, ignore_errors=True)
            folder = self.root / f"staging-{uuid.uuid4().hex}"
            folder.mkdir()
            try:
                yield folder
            finally:
                shutil.rmtree(folder, ignore_errors=True)

    def _next_version(self) -> str:
        versions = self.versions()
        return f"v{int(versions[-1][1:]) + 1 if versions else 1:06d}"

    def _retire(self) -> None:
        """Removes old versions: all but the newest few, the current one and the newest in which all was passing."""
        versions = self.versions()
        built = [version for version in versions if not self._is_of_platform(version)]
        newest = versions[-max(self._keep, _KEPT_OF_PLATFORM) :]
        of_platform = [version for version in newest if version not in built]
        keep = {*built[-self._keep :], *of_platform, self.current_version()}
        passing = (version for version in reversed(versions) if self._is_all_passing(version))
        keep.add(next(passing, None))
        for version in versions:
            if version not in keep:
                shutil.rmtree(self.root / version, ignore_errors=True)
                self._records.forget(version)

    def _is_of_platform(self, version: str) -> bool:
        try:
            return self.record(version).is_of_platform
        except SnapshotUnavailable:
            return False

    def _is_all_passing(self, version: str) -> bool:
        try:
            states = {metric.state for metric in self.record(version).metrics.values()}
        except SnapshotUnavailable:
            return False
        return states == {State.PASSING}


class StagedSnapshot:
    """A copy of the governed relations that is measured before anybody may read it. Of one that `is_of_platform` only what the platform tells is new, and the rest
    that of `before`, the version before it, where there is one.
    """

    def __init__(
        self,
        store: SnapshotStore,
        folder: Path,
        catalog: Catalog,
        relations: Mapping[str, int],
        *,
        database: str,
        is_of_platform: bool = False,
        before: SnapshotRecord | None = None,
    ) -> None:
        self._store = store
        self._folder = folder
        self._catalog = catalog
        self.relations = relations
        self.database = database
        self.is_of_platform = is_of_platform
        self.before = before
        self.version = store._next_version()
        self.types = _types(catalog, folder / f"{database}.duckdb")
        (folder / "semantic_manifest.json").write_text(catalog.semantic_manifest)
        (folder / "manifest.json").write_text(catalog.manifest_subset)

    def open(self) -> OpenSnapshot:
        return OpenSnapshot(self._folder / f"{self.database}.duckdb", limits=self._store.limits)

    def unmeasured(
        self,
        models: Mapping[str, ModelState],
        metrics: Mapping[str, MetricState],
        run_id: str | None,
    ) -> SnapshotRecord:
        """The record of this version before its metrics have values."""
        # What takes SQL apart is needed to publish, and not to read.
        from semantic.lineage.meaning import Meanings

        return SnapshotRecord(
            version=self.version,
            published_at=datetime.now(UTC),
            run_id=run_id,
            database=self.database,
            manifest_hash=self._catalog.manifest_hash,
            relations=self.relations,
            models=models,
            metrics=metrics,
            elements=self._catalog.element_hashes,
            types=self.types,
            meanings=Meanings(self._catalog).hashes,
        )

    def publish(self, record: SnapshotRecord) -> None:
        """Makes this version the current one, durably and at once."""
        self._store.changes.add(changes_between(self._store.readable_current(), record))
        (self._folder / _RECORD).write_text(json.dumps(record_to_json(record), indent=1))
        for path in self._folder.iterdir():
            sync(path)
        sync(self._folder)
        root = self._store.root
        self._folder.rename(root / record.version)
        pointer = root / f"{_CURRENT}.next"
        pointer.write_text(record.version)
        sync(pointer)
        pointer.replace(root / _CURRENT)
        sync(root)
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
        built = [name for name in catalog.relations() if not is_of_platform(name)]
        return {name: _copy(connection, catalog.database, name) for name in built}
    finally:
        connection.close()


def _types(catalog: Catalog, file: Path) -> dict[str, dict[str, str]]:
    """By semantic model and element the DuckDB type, as far as the element's expression can be read."""
    found: dict[str, dict[str, str]] = {}
    with duckdb.connect(str(file), read_only=True) as connection:
        if catalog.platform_metrics:
            attach_platform(connection, file.with_name(PLATFORM_FILE))
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


def _share(file: Path, link: Path) -> None:
    """Has a file stand in a second place, without its bytes being written again where the disk can do that. Nobody writes to it any more."""
    try:
        link.hardlink_to(file)
    except OSError:
        shutil.copyfile(file, link)


def _escaped(path: Path) -> str:
    return str(path).replace("'", "''")
