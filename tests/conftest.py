"""What is built once per test session: the shop, its catalogue, a compiler and a published snapshot."""

import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import pytest
from hypothesis import HealthCheck, settings

from semantic.catalog import Catalog
from semantic.dbt_manifest import load_catalog
from semantic.engines.embedded import embedded_engine
from semantic.errors import LedgerUnavailable
from semantic.governed_metrics import GovernedMetrics
from semantic.ledger import Ledger
from semantic.ledger.sqlite_store import SqliteStore
from semantic.snapshot import SnapshotStore
from tests.dbt_build import BuiltProject, build_once
from tests.dbt_server import in_use, write_dbt
from tests.postgres import PostgresServer, running_postgres
from tests.semantic.door import PATIENT, POLICY, RememberingEngine, build_door, publish
from tests.semantic.shop import build_shop

if TYPE_CHECKING:
    from tests.agent_resources.mcp_server.serving import Served

settings.register_profile(
    "tests",
    deadline=None,
    max_examples=50,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
settings.load_profile("tests")


SLOWEST_FIRST = (
    "test_cli",
    "test_sensors",
    "test_retention",
    "test_components",
    "test_refresh",
    "test_changed_data",
    "test_depot",
    "test_record_in_real_runs",
    "test_stores",
    "test_forbidden_rows_do_not_exist",
    "test_flights",
    "test_measurement",
    "test_door",
    "test_time_span",
    "test_verify",
)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begins with the files that take longest, so that several workers end together."""
    rank = {name: place for place, name in enumerate(SLOWEST_FIRST)}
    items.sort(key=lambda item: rank.get(item.path.stem, len(rank)))


class OpenDoor(Protocol):
    """Opens a door over the published snapshot and a ledger of its own, unless others are given."""

    def __call__(
        self,
        *,
        policy: str = ...,
        snapshots: SnapshotStore | None = ...,
        ledger: Ledger | None = ...,
        catalog: Catalog | None = ...,
        now: Callable[[], datetime] | None = ...,
    ) -> GovernedMetrics: ...


@pytest.fixture(scope="session")
def shared_folder(tmp_path_factory: pytest.TempPathFactory, worker_id: str) -> Path:
    """Where all workers of this test session find what one of them has built."""
    own = tmp_path_factory.getbasetemp()
    return own if worker_id == "master" else own.parent


@pytest.fixture(scope="session", autouse=True)
def _dbt_on_path(shared_folder: Path) -> Iterator[None]:
    """A command `dbt` is found, as in an activated environment, and no variable names another warehouse. It writes no log file: nobody
    reads it, and writing it takes a fifth of its time.
    """
    folder = shared_folder / "bin"
    with in_use(folder), pytest.MonkeyPatch.context() as patch:
        build_once(folder, write_dbt)
        patch.setenv("PATH", f"{folder}{os.pathsep}{os.environ['PATH']}")
        patch.setenv("DBT_LOG_LEVEL_FILE", "none")
        patch.delenv("NYC_FLIGHTS_WAREHOUSE", raising=False)
        yield


@pytest.fixture(scope="session")
def shop(shared_folder: Path) -> BuiltProject:
    return build_shop(shared_folder / "shop")


@pytest.fixture(scope="session")
def shop_catalog(shop: BuiltProject) -> Catalog:
    return load_catalog(shop.target)


@pytest.fixture(scope="session")
def engine(shop_catalog: Catalog) -> RememberingEngine:
    return RememberingEngine(embedded_engine(shop_catalog))


@pytest.fixture(scope="session")
def published(
    shop: BuiltProject,
    shop_catalog: Catalog,
    engine: RememberingEngine,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[SnapshotStore]:
    """One measured version of the shop, for tests that only read it. It stays open, since DuckDB takes long to open a file first."""
    store = SnapshotStore(tmp_path_factory.mktemp("published"), limits=PATIENT)
    ledger = Ledger.in_memory()
    publish(build_door(shop_catalog, engine, store, ledger), shop.warehouse)
    ledger.close()
    held = store.open(store.current())
    yield store
    del held


@pytest.fixture(scope="session")
def empty_ledger(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The file of a ledger in which nothing is written: to copy it takes less than to make its tables."""
    path = tmp_path_factory.mktemp("empty") / "ledger.db"
    SqliteStore(path).close()
    return path


@pytest.fixture
def ledger(empty_ledger: Path, tmp_path: Path) -> Iterator[Ledger]:
    path = tmp_path / "ledger" / "ledger.db"
    path.parent.mkdir(mode=0o700, exist_ok=True)
    if not path.exists():
        shutil.copy(empty_ledger, path)
    opened = Ledger.open(path)
    yield opened
    with suppress(LedgerUnavailable):
        opened.close()


@pytest.fixture
def open_door(
    shop_catalog: Catalog, engine: RememberingEngine, published: SnapshotStore, ledger: Ledger
) -> OpenDoor:
    own_ledger = ledger

    def open_door(
        *,
        policy: str = POLICY,
        snapshots: SnapshotStore | None = None,
        ledger: Ledger | None = None,
        catalog: Catalog | None = None,
        now: Callable[[], datetime] | None = None,
    ) -> GovernedMetrics:
        return build_door(
            catalog or shop_catalog,
            engine,
            snapshots or published,
            ledger or own_ledger,
            policy=policy,
            now=now,
        )

    return open_door


@pytest.fixture
def door(open_door: OpenDoor) -> GovernedMetrics:
    return open_door()


@pytest.fixture(autouse=True, scope="session")
def _no_model_requests() -> None:
    """No test reaches a chat model, unless it turns this switch for a server of its own."""
    from pydantic_ai import models

    models.ALLOW_MODEL_REQUESTS = False


@pytest.fixture(scope="session")
def postgres() -> Iterator[PostgresServer]:
    """A Postgres server of this worker."""
    with running_postgres() as server:
        yield server


@pytest.fixture(params=["sqlite", "postgres"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Path | str:
    """Where a ledger is, empty: a file or a URL."""
    if request.param == "sqlite":
        return tmp_path / "ledger.db"
    server: PostgresServer = request.getfixturevalue("postgres")
    return server.new_ledger()


@pytest.fixture
def served(ledger: Ledger, published: SnapshotStore, engine: RememberingEngine) -> "Served":
    """The shop, as a server has it."""
    from tests.agent_resources.mcp_server.serving import Served

    found = Served(ledger, published, engine)
    found.publish_policy()
    return found
