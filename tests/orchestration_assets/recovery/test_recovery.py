"""Failed runs and what is done about them: told as governed data, one of a closed set of remedies, by a person or as far as the policy lets it be done without."""

from semantic.ledger.approvals import ApprovalState, RemedyEnd
from semantic.ledger.verdicts import Turned
from tests.orchestration_assets.platform import weather
from tests.orchestration_assets.recovery.conftest import Open
from tests.orchestration_assets.recovery.ward import DOCTOR

ONCE = "  - {permit: once by itself, readers: [doctor], tools: [retry], unattended: {times: 1, hours: 24, per: run_id}}\n"
RETRY = ("retry", {})


def test_a_failed_run_is_tried_again_once_by_itself_and_then_waits_for_a_person(ward: Open) -> None:
    shop = ward(RETRY, unattended=ONCE)
    ran = shop.fail("exported", "mailed", message="the host is away")
    shop.diagnose()
    why = str(shop.metadata(DOCTOR)["because"])
    assert (
        f"failed: exported in the run {ran.run_id} of __ASSET_JOB: ConnectionError: the host is away"
        in why
    )
    [proposal] = shop.proposals
    assert proposal.state is ApprovalState.APPROVED
    assert proposal.rules == ("once by itself",)
    assert proposal.answered_by == "the policy"
    assert shop.evaluation(DOCTOR, "approved").passed
    shop.act()
    weather.MADE.clear()
    weather.FAILS["exported"] = "away still"
    tick = shop.recover()
    [request] = tick.run_requests or ()
    assert request.tags["governed_agents/first_run"] == ran.run_id
    again = shop.launch(tick)
    weather.FAILS.clear()
    assert not again.success
    assert weather.MADE == ["exported"]
    assert "failed" in str(shop.recover().skip_reason)
    assert shop.turned == [Turned.WRONG]

    shop.diagnose()
    assert "try 2: ConnectionError: away still" in str(shop.metadata(DOCTOR)["because"])
    second = shop.proposals[-1]
    assert second.state is ApprovalState.PENDING
    assert not shop.evaluation(DOCTOR, "approved").passed
    assert not shop.recover().run_requests
    shop.answer()
    shop.act()
    weather.MADE.clear()
    assert shop.launch(shop.recover()).success
    assert weather.MADE == ["exported", "mailed"]
    shop.recover()
    assert shop.turned == [Turned.WRONG, Turned.RIGHT]
    [ended] = shop.proposals[-1].remedies.values()
    assert ended.end is RemedyEnd.RECOVERED
    assert not shop.recover().run_requests
    assert "nothing has happened" in shop.tick().why_not("doctor")
