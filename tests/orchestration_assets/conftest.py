"""Code locations with their instances, each built once per test session and copied for the tests that change something."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.dbt_build import build_once
from tests.orchestration_assets import flights_demo, scripts
from tests.orchestration_assets.corner_shop import build_definitions, prepare, warehouse_of
from tests.orchestration_assets.location import SNAPSHOT, Location, fork, make_quick_home
from tests.quick_dbt import load_no_adapter


@pytest.fixture(autouse=True, scope="session")
def _quick_dbt() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        load_no_adapter(patch)
        yield


@pytest.fixture(autouse=True)
def _scripts_start_afresh() -> None:
    for remembered in (
        scripts.heard,
        scripts.before_the_read,
        scripts.after_the_read,
        scripts.stated,
    ):
        remembered.clear()


@pytest.fixture(scope="session")
def built_shop(shared_folder: Path) -> Path:
    """The shop after dbt, the snapshot and its metrics ran in Dagster, once. No agent ran."""

    def build(folder: Path) -> None:
        prepare(folder)
        make_quick_home(folder)
        definitions = build_definitions(folder)
        with Location(folder, definitions, warehouse_of(folder)) as location:
            ran = location.run([*location.dbt_keys, SNAPSHOT, *location.metric_keys])
            assert ran.success, ran.failures

    return build_once(shared_folder / "corner_shop", build)


@pytest.fixture(scope="session")
def settled_shop(built_shop: Path, shared_folder: Path) -> Path:
    """The built shop after every agent ran on the values that stand."""

    def build(folder: Path) -> None:
        fork(built_shop, folder)
        with Location(folder, build_definitions(folder), warehouse_of(folder)) as location:
            tick = location.tick()
            assert tick.agents == ["boss", "greeter", "north"]
            location.run_all(tick)

    return build_once(shared_folder / "settled_shop", build)


@pytest.fixture
def shop(built_shop: Path, tmp_path: Path) -> Iterator[Location]:
    """A copy of the built shop that a test may change."""
    folder = fork(built_shop, tmp_path / "shop")
    with Location(folder, build_definitions(folder), warehouse_of(folder)) as location:
        yield location


@pytest.fixture
def settled(settled_shop: Path, tmp_path: Path) -> Iterator[Location]:
    """A copy of the settled shop that a test may change."""
    folder = fork(settled_shop, tmp_path / "settled")
    with Location(folder, build_definitions(folder), warehouse_of(folder)) as location:
        yield location


@pytest.fixture(scope="session")
def built_flights(shared_folder: Path) -> Path:
    """The demonstration after one run of its whole graph over twelve days."""

    def build(folder: Path) -> None:
        flights_demo.prepare(folder)
        with flights_demo.open_flights(folder) as flights:
            ran = flights_demo.land(
                flights, flights_demo.FIRST, flights_demo.LAST, with_agents=True
            )
            assert ran.success, ran.failures

    return build_once(shared_folder / "flights", build)


@pytest.fixture
def flights(built_flights: Path, tmp_path: Path) -> Iterator[Location]:
    """A copy of the demonstration that a test may change."""
    with flights_demo.open_flights(fork(built_flights, tmp_path / "flights")) as location:
        yield location
