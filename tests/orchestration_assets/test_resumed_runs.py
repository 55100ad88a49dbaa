"""An agent run whose process died goes on in the next one: real runs, each step in a process of its own."""

import os
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import pytest
import sqlalchemy as sa

from semantic.ledger.schema import records
from tests.orchestration_assets.corner_shop import build_definitions, warehouse_of
from tests.orchestration_assets.location import Location, agent_key, fork

BOSS = agent_key("boss")
REQUESTS = 3
EVERYTHING = "everything"
ONE_PROCESS_PER_STEP = dg.Definitions(
    jobs=[dg.define_asset_job(EVERYTHING)], executor=dg.multiprocess_executor
)


def shop_job() -> dg.JobDefinition:
    """The job of the shop in the folder that `CORNER_SHOP` names, as a worker builds it."""
    definitions = build_definitions(Path(os.environ["CORNER_SHOP"]))
    return dg.Definitions.merge(definitions, ONE_PROCESS_PER_STEP).resolve_job_def(EVERYTHING)


@pytest.fixture
def workers(
    settled_shop: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Location]:
    """The settled shop, for runs whose steps have processes of their own."""
    folder = fork(settled_shop, tmp_path / "shop")
    monkeypatch.setenv("CORNER_SHOP", str(folder))
    monkeypatch.setenv("CORNER_SHOP_MOOD", str(tmp_path))
    monkeypatch.setenv("DAGSTER_HOME", str(folder / "home"))
    with Location(folder, build_definitions(folder), warehouse_of(folder)) as location:
        yield location


def run_boss(
    location: Location, *, again: dg.JobExecutionResult | None = None
) -> dg.JobExecutionResult:
    """A run of the boss; with `again`, that one run again from where it failed."""
    return dg.execute_job(
        dg.reconstructable(shop_job),
        instance=location.instance,
        asset_selection=None if again else [BOSS],
        raise_on_error=False,
        reexecution_options=dg.ReexecutionOptions.from_failure(again.run_id, location.instance)
        if again
        else None,
    )


def on_record(location: Location, *run_ids: str) -> Counter[str]:
    """How many records of each kind these runs have."""
    with location.ledger() as ledger, ledger.reading() as connection:
        kinds = sa.select(records.c.kind).where(records.c.run_id.in_(run_ids))
        return Counter(connection.scalars(kinds))


def test_a_run_whose_worker_was_killed_is_not_paid_or_read_again(
    workers: Location, tmp_path: Path
) -> None:
    (tmp_path / "boss.dies").touch()
    with run_boss(workers) as died:
        assert not died.success
        assert not (tmp_path / "boss.dies").exists()
        before = on_record(workers, died.run_id)
        with run_boss(workers, again=died) as finished:
            assert finished.success
            runs = died.run_id, finished.run_id
    # It died during its last request: nobody knows what became of that, and it was made again.
    assert before == {"model_call": REQUESTS, "intent": 1, "outcome": 1 + REQUESTS - 1}
    assert on_record(workers, *runs) == {
        "model_call": REQUESTS + 1,
        "intent": 1,
        "outcome": 1 + REQUESTS,
        "decision": 1,
    }
    assert on_record(workers, finished.run_id) == {"model_call": 1, "outcome": 1, "decision": 1}
    metadata = workers.metadata(BOSS)
    assert metadata["resumed_from"] == died.run_id
    assert metadata["requests"] == REQUESTS
    with workers.ledger() as ledger:
        assert ledger.verify().is_whole
