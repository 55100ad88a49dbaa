"""People in the loop: what an agent proposes waits for a person, is bound to what was shown, and is done once."""

import sqlite3
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from orchestration_assets.approvals.notifying import FileNotifier
from semantic.errors import GovernedMetricsError, QuestionError
from semantic.ledger import RecordKind
from semantic.ledger.approval_steps import answer
from semantic.ledger.approvals import ApprovalState
from semantic.ledger.tokens import holder_of, mint_token
from tests.orchestration_assets.approvals import outside, scripts
from tests.orchestration_assets.approvals.conftest import Open
from tests.orchestration_assets.approvals.watched import ACTIONS, BOSS, Watched

RING = ("ring", {"whom": "ana"})
WRITE = ("write_to", {"whom": "ben"})


def skipped(result: dg.SensorResult) -> str:
    reason = result.skip_reason
    return (reason.skip_message if isinstance(reason, dg.SkipReason) else reason) or ""


def test_what_is_proposed_waits_is_approved_and_is_done_once(watch: Open) -> None:
    shop = watch(RING, WRITE)
    page = shop.metadata(BOSS)
    assert page["state"] == "proposed"
    assert page["proposal"] == shop.proposal.code
    assert outside.calls() == []
    pending = shop.evaluation(BOSS, "approved")
    assert not pending.passed
    assert pending.severity is dg.AssetCheckSeverity.WARN
    assert pending.blocking
    assert "waits for ana@example.com until" in skipped(shop.follow())
    by_hand = shop.run([ACTIONS])
    assert "nothing that it proposed is approved" in by_hand.failures["actions__boss"]

    approved = shop.answer("ana@example.com")
    assert (approved.state, approved.answered_by) == (ApprovalState.APPROVED, "ana@example.com")
    asked = shop.follow().run_requests
    evaluation = shop.evaluation(BOSS, "approved")
    assert evaluation.passed
    assert evaluation.metadata["by"].value == "ana@example.com"
    [ran] = shop.act(asked)
    assert ran.success, ran.failures
    done = outside.calls()
    assert done[0] == {"rang": "ana", "times": 1}
    assert done[1]["wrote"] == "ben"
    assert len(done[1]["key"]) == 36
    assert shop.proposal.state is ApprovalState.DONE
    assert shop.proposal.outcome == {"done": 2, "failed": 0, "unknown": 0}
    assert not shop.follow().run_requests
    again = shop.run([ACTIONS])
    assert not again.success
    assert len(outside.calls()) == 2
    rows = shop.rows(ACTIONS, "actions")
    assert [row.data["returned"] for row in rows] == ['"call 1"', '{"sent": "ben"}']
    assert {row.data["approved_by"] for row in rows} == {"ana@example.com"}


def test_every_step_is_on_record_and_bound_to_a_digest(watch: Open) -> None:
    shop = watch(RING)
    proposal = shop.proposal
    shop.answer("ana@example.com")
    shop.act(shop.follow().run_requests)
    with shop.ledger() as ledger:
        body = ledger.body(proposal.approval_id, RecordKind.APPROVAL)
        assert body is not None
        assert body["details"]["digest"] == proposal.digest
        assert proposal.rests_on.keys() == {"revenue"}
        assert ledger.verify().is_whole


def test_a_rejected_proposal_is_done_by_nobody(watch: Open) -> None:
    shop = watch(RING)
    assert shop.answer("ana@example.com", is_approved=False).state is ApprovalState.REJECTED
    assert not shop.follow().run_requests
    evaluation = shop.evaluation(BOSS, "approved")
    assert not evaluation.passed
    assert evaluation.severity is dg.AssetCheckSeverity.ERROR
    assert evaluation.description == "Rejected by ana@example.com"
    with pytest.raises(QuestionError, match=r"is rejected by ana@example\.com: it is so"):
        shop.answer("ana@example.com")
    assert "may do nothing" in shop.run([ACTIONS]).failures["actions__boss"]
    assert outside.calls() == []


@pytest.mark.parametrize(
    ("who", "tags", "approval", "says"),
    [
        ("ben@example.com", {}, {}, "'ben@example.com' may not answer what 'boss' proposes"),
        ("boss", {}, {"by": "*"}, "'boss' is an agent, and no agent answers a proposal"),
        (
            "ana@example.com",
            {"governed_agents/requested_by": "ana@example.com"},
            {},
            "'ana@example.com' asked for the run, and somebody else answers",
        ),
    ],
)
def test_who_may_not_answer(
    watch: Open, who: str, tags: dict[str, str], approval: dict[str, Any], says: str
) -> None:
    shop = watch(RING, approval=approval, runs=False)
    shop.run_boss(**tags)
    with pytest.raises(QuestionError, match=says):
        shop.answer(who)
    assert shop.proposal.state is ApprovalState.PENDING


def test_whoever_asked_may_answer_where_that_is_configured(watch: Open) -> None:
    shop = watch(RING, approval={"by_requester": True, "by": ["duty-*"]}, runs=False)
    shop.run_boss(**{"governed_agents/requested_by": "duty-7"})
    assert shop.answer("duty-7").state is ApprovalState.APPROVED


def test_a_proposal_ends_by_itself(watch: Open) -> None:
    shop = watch(RING, approval={"within_hours": 2})
    late = datetime.now(UTC) + timedelta(hours=2, minutes=1)
    with pytest.raises(QuestionError, match="is expired"):
        shop.answer("ana@example.com", now=late)
    shop.answer("ana@example.com")
    assert not shop.follow(now=late).run_requests, "what was approved is not done a day later"
    assert shop.evaluation(BOSS, "approved").description == "Expired"


def test_a_change_in_what_it_rests_on_makes_it_void_answered_or_not(watch: Open) -> None:
    shop = watch(RING)
    shop.sell(7)
    shop.follow()
    assert (shop.proposal.state, shop.proposal.why) == (ApprovalState.VOID, "revenue changed since")
    with pytest.raises(QuestionError, match="is void: revenue changed since"):
        shop.answer("ana@example.com")
    shop.run_boss()
    shop.answer("ana@example.com")
    shop.sell(8)
    assert "is void: revenue changed since" in shop.run([ACTIONS]).failures["actions__boss"]
    assert not shop.follow().run_requests
    assert outside.calls() == []
    assert not shop.evaluation(BOSS, "approved").passed


def test_a_newer_proposal_takes_the_place_of_one_that_waits(watch: Open) -> None:
    shop = watch(RING)
    shop.run_boss()
    shop.follow()
    first, second = shop.proposals
    assert first.state is ApprovalState.VOID
    assert first.why == "'boss' has proposed something newer since"
    assert second.state is ApprovalState.PENDING


def test_a_tool_that_is_not_permitted_any_more_makes_it_void(watch: Open) -> None:
    shop = watch(RING)
    shop.answer("ana@example.com")
    policy = shop.folder.parent / "policy.yaml"
    policy.write_text(policy.read_text().replace("[ring, ring_later, write_to]", "[write_to]"))
    with Watched(shop.folder, shop.agents, policy=policy) as stricter:
        stricter.publish()
        assert not stricter.follow().run_requests
        assert "may not call a tool any more" in stricter.proposal.why


def test_what_fails_and_what_was_cut_off_is_told_and_not_tried_again(watch: Open) -> None:
    shop = watch(("ring", {"whom": "nobody"}), RING)
    shop.answer("ana@example.com")
    [ran] = shop.act(shop.follow().run_requests)
    assert not ran.success
    assert shop.proposal.outcome == {"done": 1, "failed": 1, "unknown": 0}
    rows = shop.rows(ACTIONS, "actions")
    assert rows[0].data["returned"] == "ValueError"
    assert not shop.evaluation(ACTIONS, "acted").passed
    assert len(outside.calls()) == 2
    assert not shop.run([ACTIONS]).success
    assert len(outside.calls()) == 2


def test_people_are_told_reminded_and_others_are_told_once_each(watch: Open) -> None:
    asked = {
        "within_hours": 8,
        "remind_after_hours": 2,
        "escalate_after_hours": 4,
        "escalate_to": "head@example.com",
    }
    shop = watch(RING, approval=asked)
    began = datetime.fromisoformat(shop.proposal.at)
    for minutes in (0, 1, 119, 121, 200, 241, 300):
        shop.follow(now=began + timedelta(minutes=minutes, seconds=1), tell=True)
    told = shop.notices()
    assert [item["stage"] for item in told] == ["proposed", "reminder", "escalation"]
    assert [item["to"] for item in told] == [
        ["ana@example.com"],
        ["ana@example.com"],
        ["head@example.com"],
    ]
    assert told[0]["actions"] == ["ring"]
    assert told[0]["proposal"] == shop.proposal.code
    shop.answer("ana@example.com", is_approved=False)
    shop.follow(now=began + timedelta(hours=7), tell=True)
    assert len(shop.notices()) == 3


def test_a_notice_that_did_not_go_out_is_told_and_tried_again(watch: Open) -> None:
    shop = watch(RING)
    shop.told.mkdir()
    assert "proposed of" in skipped(shop.follow(tell=True))
    assert "cannot be written" in skipped(shop.follow(tell=True))
    shop.told.rmdir()
    shop.follow(tell=True)
    assert len(shop.notices()) == 1


def test_every_decision_waits_where_the_agents_file_says_so(watch: Open) -> None:
    shop = watch(approval={"of": "decision"}, tools=[])
    assert shop.metadata(BOSS)["state"] == "proposed"
    shop.answer("ana@example.com")
    assert not shop.follow().run_requests, "there is nothing to do"
    assert shop.evaluation(BOSS, "approved").passed


def test_an_agent_that_proposed_nothing_waits_for_nobody(watch: Open) -> None:
    shop = watch()
    assert shop.metadata(BOSS)["state"] == "decided"
    assert shop.evaluation(BOSS, "approved").passed
    assert shop.proposals == []


def test_why_is_asked_for(watch: Open) -> None:
    shop = watch(RING)
    with shop.ledger() as ledger:
        secret, _ = mint_token(ledger, "ana@example.com", by="the operator", days=1)
        token = holder_of(ledger, secret)
        with pytest.raises(GovernedMetricsError, match="why something is approved"):
            answer(ledger, shop.proposal, token, is_approved=True, why="  ")
    assert shop.proposal.state is ApprovalState.PENDING


def test_of_two_answers_the_first_counts(watch: Open) -> None:
    shop = watch(RING, approval={"by": ["ana", "ben"]})
    shop.answer("ana")
    with pytest.raises(QuestionError, match="is approved by ana: it is so"):
        shop.answer("ben", is_approved=False)


def test_a_call_that_was_cut_off_is_not_made_again_but_by_its_key(
    watch: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The process ends in the middle of two calls: of one nobody knows whether it was made, the other knows its key."""
    shop = watch(RING, WRITE)
    shop.answer("ana@example.com")
    ended: list[str] = []

    def ends(call: dict[str, Any]) -> int:
        ended.append(call["rang"])
        raise SystemExit

    monkeypatch.setattr(outside, "_note", ends)
    requests = shop.follow().run_requests
    [cut] = shop.act(requests)
    assert not cut.success
    assert shop.proposal.state is ApprovalState.USED
    monkeypatch.undo()
    monkeypatch.setenv(outside.CALLS, str(shop.folder.parent / "calls"))
    ran = shop.run([ACTIONS])
    assert "an earlier try was cut off in it" in str(shop.evaluation(ACTIONS, "acted").description)
    assert not ran.success
    assert [call.get("wrote") for call in outside.calls()] == ["ben"]
    assert shop.proposal.outcome == {"done": 1, "failed": 0, "unknown": 1}
    assert ended == ["ana"]


def test_of_what_was_cut_off_nothing_is_begun_once_it_rests_on_something_else(
    watch: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    shop = watch(("ring", {"whom": "cut"}), RING, WRITE)
    shop.answer("ana@example.com")

    def ends(_: dict[str, Any]) -> int:
        raise SystemExit

    with monkeypatch.context() as patch:
        patch.setattr(outside, "_note", ends)
        assert not shop.act(shop.follow().run_requests)[0].success
    shop.sell(8)
    assert not shop.run([ACTIONS]).success
    assert outside.calls() == []
    states = {row.data["returned"] for row in shop.rows(ACTIONS, "actions")}
    assert "not done: revenue changed since" in states


def test_what_cannot_be_done_does_not_keep_what_comes_after_it(watch: Open) -> None:
    shop = watch(RING)
    shop.answer("ana@example.com")
    with shop.ledger() as ledger:
        assert ledger.erase("ana", by="the operator", reason="she asked").values
    assert not shop.follow().run_requests
    assert shop.proposal.why == "something of it was erased"
    scripts.PROPOSED[:] = [WRITE]
    shop.run_boss()
    shop.answer("ana@example.com")
    [ran] = shop.act(shop.follow().run_requests)
    assert ran.success, ran.failures
    assert [call["wrote"] for call in outside.calls()] == ["ben"]


def test_what_is_too_long_for_the_record_is_not_proposed(watch: Open) -> None:
    shop = watch(("ring", {"whom": "x" * 11_000}))
    assert shop.proposals == []
    assert shop.metadata(BOSS)["state"] == "decided"


def test_a_text_that_somebody_changed_is_neither_approved_nor_done(watch: Open) -> None:
    shop = watch(RING)

    def forge(before: str, after: str) -> None:
        with sqlite3.connect(shop.home / "governed_agents" / "ledger.db") as raw:
            raw.execute("UPDATE erasable_values SET value = replace(value, ?, ?)", (before, after))

    forge("ana", "zoe")
    with pytest.raises(QuestionError, match="a text of it is not the one that was recorded"):
        shop.answer("ana@example.com")
    forge("zoe", "ana")
    shop.answer("ana@example.com")
    forge("ana", "zoe")
    assert "is not the one that was recorded" in shop.run([ACTIONS]).failures["actions__boss"]
    assert outside.calls() == []


def test_nothing_is_done_under_a_policy_that_is_not_published(watch: Open) -> None:
    shop = watch(RING)
    shop.answer("ana@example.com")
    with shop.ledger() as ledger:
        ledger.publish_policy("another", "", by="the platform", run_id=None)
    assert "is not the published one" in skipped(shop.follow())
    assert "is not the published one" in shop.run([ACTIONS]).failures["actions__boss"]
    assert outside.calls() == []


def test_a_function_that_is_awaited_is_really_called(watch: Open) -> None:
    tool = "tests.orchestration_assets.approvals.outside:ring_later"
    shop = watch(("ring_later", {"whom": "ana"}), tools=[{"call": tool, "effect": "write"}])
    shop.answer("ana@example.com")
    [ran] = shop.act(shop.follow().run_requests)
    assert ran.success, ran.failures
    assert outside.calls() == [{"rang": "ana", "later": True}]


def test_a_decision_that_was_approved_stays_so(watch: Open) -> None:
    shop = watch(approval={"of": "decision", "within_hours": 1}, tools=[])
    shop.answer("ana@example.com")
    shop.follow()
    shop.follow(now=datetime.now(UTC) + timedelta(hours=2))
    assert shop.evaluation(BOSS, "approved").passed


def test_what_was_approved_is_asked_for_again_where_a_run_ended_before_it(watch: Open) -> None:
    shop = watch(RING)
    shop.answer("ana@example.com")
    with shop.ledger() as ledger, ledger.holding("actions of boss") as is_held:
        assert is_held
        [kept] = shop.act(shop.follow().run_requests)
        assert not kept.success
    [done] = shop.act(shop.follow().run_requests)
    assert done.success, done.failures
    assert len(outside.calls()) == 1


def test_one_address_that_fails_has_nobody_told_twice(watch: Open, tmp_path: Path) -> None:
    shop = watch(RING)
    broken = tmp_path / "broken"
    broken.mkdir()
    both = {"works": FileNotifier(shop.told), "broken": FileNotifier(broken)}
    for _ in range(3):
        shop.follow(notifiers=both)
    assert len(shop.notices()) == 1
    broken.rmdir()
    shop.follow(notifiers=both)
    assert len(broken.read_text().splitlines()) == len(shop.notices()) == 1
