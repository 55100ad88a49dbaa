"""Failed runs and what is done about them: told as governed data, one of a closed set of remedies, by a person or as far as the policy lets it be done without."""

import json
from datetime import UTC, datetime, timedelta

import dagster as dg
import pytest

from semantic.ledger import ReadQuestion, RecordKind, find_reads
from semantic.ledger.approvals import ApprovalState, RemedyEnd
from semantic.ledger.verdicts import Turned
from tests.orchestration_assets.platform import weather
from tests.orchestration_assets.recovery import scripts
from tests.orchestration_assets.recovery.conftest import Open
from tests.orchestration_assets.recovery.ward import DOCTOR, ONCE, OWNER

RETRY = ("retry", {})
PAST = {
    "metrics": ["dagster_failures"],
    "group_by": [
        f"dagster_failure__{name}"
        for name in ("run", "failed", "last_good_run", "definition", "agent")
    ],
}


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
    shop.decide()
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


def test_what_failed_is_told_as_reads_of_the_run(ward: Open) -> None:
    shop = ward()
    assert shop.run([dg.AssetKey("exported")]).success
    ran = shop.fail("exported", message="bob@example.com has token: abc.def.ghi")
    shop.diagnose()
    event = shop.instance.get_latest_materialization_event(DOCTOR)
    assert event is not None
    with shop.ledger() as ledger:
        told = [
            read
            for read in find_reads(ledger, ReadQuestion(run=[event.run_id]))
            if read.agent == "doctor" and read.metric == "dagster_failures"
        ]
        assert len(told) == 3
        bodies = [ledger.body(read.read_id, RecordKind.OUTCOME) for read in told]
        assert all(body and body["reason"] is None for body in bodies)
    why = str(shop.metadata(DOCTOR)["because"])
    assert "[personal data] has token:[credential]" in why
    assert ran.run_id in why
    for secret in ("abc.def", "bob@"):
        assert secret not in why
    [past] = shop.ask(PAST, "doctor")
    assert past["dagster_failure__definition"] == "unchanged"
    assert past["dagster_failure__last_good_run"] is not None


def test_more_resources_are_those_of_the_operator(ward: Open) -> None:
    shop = ward(("retry_with_more_resources", {}))
    shop.fail("exported")
    shop.diagnose()
    shop.decide()
    shop.act()
    [request] = shop.recover().run_requests or ()
    assert request.tags["size"] == "large"
    assert request.tags["governed_agents/remedy"] == "retry_with_more_resources"


def test_a_run_in_its_place_has_its_tags(ward: Open) -> None:
    shop = ward(RETRY)
    weather.FAILS["exported"] = "away"
    tags = {
        "team": "exports",
        "dagster/schedule_name": "nightly",
    }
    assert not shop.run([dg.AssetKey("exported")], tags=tags).success
    weather.FAILS.clear()
    shop.diagnose()
    shop.decide()
    shop.act()
    [request] = shop.recover().run_requests or ()
    assert request.tags["team"] == "exports"
    assert "dagster/schedule_name" not in request.tags
    assert "governed_agents.agent/doctor" not in request.tags


def test_what_a_failed_asset_is_made_from_is_made_anew_before_it(ward: Open) -> None:
    shop = ward(("refresh_upstream", {}))
    assert shop.run([dg.AssetKey("exported")]).success
    shop.fail("mailed")
    shop.diagnose()
    shop.decide()
    shop.act()
    weather.MADE.clear()
    assert shop.launch(shop.recover()).success
    assert weather.MADE == ["exported", "mailed"]


@pytest.mark.parametrize("is_mended", [True, False])
def test_waiting_ends_when_it_is_made_or_when_the_time_is_over(ward: Open, is_mended: bool) -> None:
    shop = ward(("wait", {"minutes": 30}))
    shop.fail("exported")
    shop.diagnose()
    shop.decide()
    shop.act()
    assert "waits: until" in str(shop.recover().skip_reason)
    if is_mended:
        assert shop.run([dg.AssetKey("exported")]).success
    later = datetime.now(UTC) + timedelta(minutes=0 if is_mended else 31)
    shop.recover(now=later)
    [ended] = shop.proposals[-1].remedies.values()
    assert ended.end is (RemedyEnd.RECOVERED if is_mended else RemedyEnd.FAILED)
    assert shop.turned == [Turned.RIGHT if is_mended else Turned.WRONG]
    tick = shop.tick()
    assert tick.agents == ([] if is_mended else ["doctor"])


def test_people_are_told_once_where_a_run_is_escalated(ward: Open) -> None:
    always = ONCE.replace("tools: [retry]", "tools: [escalate]")
    shop = ward(("escalate", {}), unattended=always)
    ran = shop.fail("exported", message="password=hunter2")
    shop.diagnose()
    shop.act()
    shop.recover()
    shop.recover()
    [notice] = [json.loads(line) for line in shop.told.read_text().splitlines()]
    assert notice["to"] == [OWNER]
    assert ran.run_id in notice["about"]
    assert "hunter2" not in str(notice)
    assert [it.end for it in shop.proposals[-1].remedies.values()] == [RemedyEnd.TOLD]
    assert shop.turned == [None]


def test_where_nobody_can_be_told_that_is_said_and_the_doctor_asked_again(ward: Open) -> None:
    shop = ward(("escalate", {}))
    shop.fail("exported")
    shop.diagnose()
    shop.decide()
    shop.act()
    assert "names no address" in str(shop.recover(tell=False).skip_reason)
    assert shop.tick().agents == ["doctor"]


@pytest.mark.parametrize(
    ("run_id", "says"),
    [("00000000-none", "there is no failed run '00000000-none'"), (None, "did you mean")],
)
def test_a_run_that_did_not_fail_gets_no_remedy(ward: Open, run_id: str | None, says: str) -> None:
    shop = ward()
    failed = shop.fail("exported").run_id
    named = run_id or f"{failed[:-1]}{'0' if failed[-1] != '0' else '1'}"
    scripts.PROPOSED[:] = [("retry", {"run_id": named})]
    shop.diagnose()
    shop.decide()
    shop.act()
    assert says in str(shop.recover().skip_reason)
    assert [it.end for it in shop.proposals[-1].remedies.values()] == [RemedyEnd.NOT_DONE]


def test_what_was_made_by_somebody_else_is_not_made_again(ward: Open) -> None:
    shop = ward(RETRY)
    shop.fail("exported")
    shop.diagnose()
    shop.decide()
    shop.act()
    assert shop.run([dg.AssetKey("exported")]).success
    result = shop.recover()
    assert not result.run_requests
    assert "made by another run since" in str(result.skip_reason)


def test_a_rejected_remedy_is_not_done(ward: Open) -> None:
    shop = ward(RETRY)
    shop.fail("exported")
    shop.diagnose()
    shop.decide(is_approved=False)
    shop.act()
    assert not shop.recover().run_requests


def test_two_failures_are_one_run_that_is_told_both(ward: Open) -> None:
    shop = ward()
    first, second = shop.fail("exported"), shop.fail("first_half", "second_half")
    shop.diagnose()
    why = str(shop.metadata(DOCTOR)["because"])
    assert first.run_id in why
    assert second.run_id in why
    assert shop.tick().agents == []


def test_a_failure_of_the_doctor_calls_no_doctor(ward: Open) -> None:
    shop = ward()
    scripts.PROPOSED[:] = [("break", {})]
    ran = shop.run([DOCTOR], tags={"governed_agents/agent": "doctor"})
    assert not ran.success
    shop.refresh()
    [failure] = shop.ask(PAST, "doctor")
    assert failure["dagster_failure__agent"] == "doctor"
    assert "nothing has happened" in shop.tick().why_not("doctor")


def test_after_so_many_tries_it_is_asked_no_more(ward: Open) -> None:
    shop = ward(attempts=1)
    first = shop.fail("exported")
    shop.diagnose()
    weather.FAILS["exported"] = "again"
    again = shop.run([dg.AssetKey("exported")], tags={"governed_agents/first_run": first.run_id})
    weather.FAILS.clear()
    assert not again.success
    shop.refresh()
    assert "is try 2, and the agent looks after 1" in shop.tick().why_not("doctor")


def test_many_remedies_need_room_for_each(ward: Open) -> None:
    twice = [("retry", {"why": why}) for why in ("one", "two")]
    shop = ward(*twice, unattended=ONCE)
    shop.fail("exported")
    shop.diagnose()
    assert shop.proposals[-1].state is ApprovalState.PENDING


def test_no_rule_answers_where_every_decision_needs_a_person(ward: Open) -> None:
    shop = ward(RETRY, unattended=ONCE, approval={"of": "decision"})
    shop.fail("exported")
    shop.diagnose()
    assert shop.proposals[-1].state is ApprovalState.PENDING
