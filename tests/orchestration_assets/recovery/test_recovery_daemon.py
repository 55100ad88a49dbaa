"""A failed run, its doctor, a rule, a person and a retry, with the real daemon, run queue and run workers."""

from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import pytest

from semantic.ledger.approvals import ApprovalState
from semantic.ledger.verdicts import Turned
from tests.orchestration_assets.daemon import Daemon
from tests.orchestration_assets.location import fork
from tests.orchestration_assets.platform import weather
from tests.orchestration_assets.recovery.ward import ONCE, Ward

pytestmark = pytest.mark.soak


@pytest.fixture
def storms(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "storms"
    folder.mkdir()
    monkeypatch.setenv(weather.STORMS, str(folder))
    return folder


@pytest.fixture
def daemon(built_platform: Path, tmp_path: Path, storms: Path) -> Iterator[Daemon]:
    with Ward(fork(built_platform, tmp_path / "shop"), unattended=ONCE) as ward:
        ward.settle()
        module = "tests.orchestration_assets.recovery.ward_location"
        daemon = Daemon(ward, module, {"WARD": str(ward.folder), weather.STORMS: str(storms)})
        try:
            daemon.start()
            yield daemon
        finally:
            daemon.end()


def test_a_storm_that_passes_and_one_that_stays(daemon: Daemon, storms: Path) -> None:
    ward = daemon.shop
    assert isinstance(ward, Ward)
    weather.FAILS["exported"] = "1: no route to host"
    first = ward.run([dg.AssetKey("exported"), dg.AssetKey("mailed")])
    weather.FAILS.clear()
    assert not first.success
    daemon.wait_until(lambda: ward.turned == [Turned.RIGHT], "the first storm to pass")
    [proposal] = ward.proposals
    assert (proposal.state, proposal.rules) == (ApprovalState.DONE, ("once by itself",))
    for name in ("exported", "mailed"):
        record = ward.instance.get_latest_materialization_event(dg.AssetKey(name))
        assert record is not None
        run = ward.instance.get_run_by_id(record.run_id)
        assert run is not None
        assert run.tags["governed_agents/first_run"] == first.run_id

    (storms / "exported").touch()
    assert not ward.run([dg.AssetKey("exported")]).success
    daemon.wait_until(
        lambda: ward.turned == [Turned.RIGHT, Turned.WRONG, None], "the second retry to fail"
    )
    assert ward.proposals[-1].state is ApprovalState.PENDING
    (storms / "exported").unlink()
    ward.decide()
    daemon.wait_until(lambda: ward.turned[-1] is not None, "the second storm to pass")
    assert ward.turned == [Turned.RIGHT, Turned.WRONG, Turned.RIGHT]
    made = [
        run for run in ward.instance.get_runs() if run.tags.get("governed_agents/remedy") == "retry"
    ]
    assert len(made) == 3
