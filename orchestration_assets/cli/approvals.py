"""`governed-agents approvals`, `approve`, `reject`: what agents propose, and what people say to it."""

import json
from collections.abc import Iterator
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import typer

from orchestration_assets.cli.output import print_json, print_table, print_text, say
from orchestration_assets.cli.place import Place
from orchestration_assets.cli.token import TokenFile, token_of
from semantic.ledger import Ledger, ReadQuestion, RecordKind, find_reads
from semantic.ledger.approval_steps import answer
from semantic.ledger.approvals import Approval, ApprovalState, approvals, find_approval
from semantic.ledger.erasable import is_erased

_ERASED = "was erased"

Why = Annotated[str, typer.Option("--why", help="Why, for the record.")]
Code = Annotated[str, typer.Argument(help="What the proposal is shown as.")]


def list_approvals(
    context: typer.Context,
    code: Annotated[str | None, typer.Argument(help="One of them, in full.")] = None,
    agent: Annotated[str | None, typer.Option(help="Of one agent.")] = None,
    all_of_them: Annotated[
        bool, typer.Option("--all", help="Also those that were answered or have ended.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """What agents propose and wait for an answer to; or all that one of them is about: decision, figures with the reads they came from, calls, what it rests on.

    Example: governed-agents approvals 3f2a9c1d77ab
    """
    ledger, now = Place.of(context).ledger, datetime.now(UTC)
    if code is not None:
        shown = _in_full(ledger, find_approval(ledger, code).at_moment(now))
        if as_json:
            print_json([shown])
        else:
            print_text("\n".join(_lines(shown)))
        return
    found = [it.at_moment(now) for it in approvals(ledger) if agent in (None, it.agent)]
    kept = [it for it in found if all_of_them or it.state is ApprovalState.PENDING][::-1]
    rows = [_row(ledger, it) for it in kept]
    if as_json:
        print_json(rows)
        return
    print_table(
        ["proposal", "agent", "proposes", "since (UTC)", "until (UTC)", "may answer", "state"],
        [
            (
                row["proposal"],
                row["agent"],
                ", ".join(row["actions"]) or "its decision",
                row["at"][:16].replace("T", " "),
                row["until"][:16].replace("T", " "),
                ", ".join(row["may_answer"]),
                row["state"] + (f" by {row['answered_by']}" if row["answered_by"] else ""),
            )
            for row in rows
        ],
    )


def approve(context: typer.Context, code: Code, why: Why, token_file: TokenFile = None) -> None:
    """Approves what an agent proposes, just as it is shown under this code. You are known by your token; who and why goes on record.

    Example: governed-agents approve 3f2a9c1d77ab --why "the crew knows"
    """
    _answer(Place.of(context), code, why, token_file, is_approved=True)


def reject(context: typer.Context, code: Code, why: Why, token_file: TokenFile = None) -> None:
    """Rejects what an agent proposes. It is done by nobody, and stays on record with the reason.

    Example: governed-agents reject 3f2a9c1d77ab --why "one day is no trend"
    """
    _answer(Place.of(context), code, why, token_file, is_approved=False)


def _answer(
    place: Place, code: str, why: str, token_file: Path | None, *, is_approved: bool
) -> None:
    ledger = place.ledger
    found = find_approval(ledger, code, whole=True)
    token = token_of(ledger, token_file)
    after = answer(
        ledger,
        found,
        token,
        is_approved=is_approved,
        why=why,
        agents=tuple(ledger.registered_agents()),
    )
    ledger.seal()
    _tell_dagster(place, after)
    say(f"The proposal {after.code} of '{after.agent}' is {after.state} by {after.answered_by}.")
    if is_approved and after.actions:
        say("What it is about is done at the next tick of the sensor, once.")


def _tell_dagster(place: Place, approval: Approval) -> None:
    """Has the check `approved` say at once that something is rejected. That it is approved the sensor says, once it has looked whether what it rests on
    still stands.
    """
    is_rejected = approval.state is ApprovalState.REJECTED
    if not is_rejected or not (place.home / "dagster.yaml").is_file():
        return
    from dagster import DagsterInstance

    from orchestration_assets.agent_key import agent_asset_key
    from orchestration_assets.approvals.approved_check import report_answer

    with DagsterInstance.from_config(str(place.home)) as instance:
        report_answer(instance, agent_asset_key(approval.agent), approval)


def _row(ledger: Ledger, approval: Approval) -> dict[str, Any]:
    return {
        "proposal": approval.code,
        "agent": approval.agent,
        "state": approval.state.value,
        "at": approval.at,
        "until": approval.expires_at,
        "may_answer": list(approval.terms.by),
        "requested_by": approval.terms.requester,
        "actions": [call["tool"] for call in _calls(ledger, approval)],
        "decision_id": approval.decision_id,
        "run_id": approval.run_id,
        "answered_by": approval.answered_by,
        "answered_at": approval.answered_at,
        "why": approval.why,
        "digest": approval.digest,
    }


def _in_full(ledger: Ledger, approval: Approval) -> dict[str, Any]:
    """All that the digest covers, and what has come of it."""
    body = ledger.body(approval.decision_id, RecordKind.DECISION)
    written = body["details"]["decision"] if body else None
    said = {} if written is None or is_erased(written) else json.loads(written)
    reads = find_reads(ledger, ReadQuestion(run=approval.run_id)) if approval.run_id else ()
    return _row(ledger, approval) | {
        "answer": said.get("answer", _ERASED),
        "findings": said.get("findings", []),
        "output": said.get("output"),
        "confidence": said.get("confidence"),
        "calls": list(_calls(ledger, approval)),
        "rests_on": dict(approval.rests_on),
        "reads": sorted(
            {
                (it.read_id, it.metric, (it.data_version or "")[:8])
                for it in reads
                if it.agent == approval.agent
            }
        ),
        "outcome": dict(approval.outcome),
        "remedies": [asdict(it) for it in approval.remedies.values()],
    }


def _calls(ledger: Ledger, approval: Approval) -> Iterator[dict[str, Any]]:
    """The calls that are proposed, each with its arguments."""
    for action in approval.actions:
        body = ledger.body(action, RecordKind.TOOL_CALL)
        details = body["details"] if body else {}
        arguments = details.get("arguments", _ERASED)
        yield {
            "tool": str(details.get("tool", "?")).partition(":")[2],
            "arguments": _ERASED if is_erased(arguments) else arguments,
        }


def _lines(shown: dict[str, Any]) -> Iterator[str]:
    """One proposal in words, as a person reads it before answering."""
    yield f"{shown['proposal']}  '{shown['agent']}' {shown['state']}, until {shown['until'][:16].replace('T', ' ')} UTC, for {', '.join(shown['may_answer'])}"
    if shown["answered_by"]:
        yield f"answered by {shown['answered_by']}: {shown['why']}"
    elif shown["why"]:
        yield f"because {shown['why']}"
    yield ""
    yield str(shown["answer"])
    for finding in shown["findings"]:
        yield f"- {finding['statement']}"
        for figure in finding["figures"]:
            unit = f" {figure['unit']}" if figure.get("unit") else ""
            yield f"    {figure['name']}: {figure['value']:,.12g}{unit}, read {figure['read_id']}"
    if shown["output"]:
        yield f"output: {json.dumps(shown['output'], ensure_ascii=False)}"
    yield ""
    for call in shown["calls"]:
        yield f"would call {call['tool']} {call['arguments']}"
    for metric, version in shown["rests_on"].items():
        yield f"rests on {metric} at {version[:8]}, which stands since {version.partition(' ')[2]}"
    yield from _lines_of_outcome(shown)
    if shown["state"] == ApprovalState.PENDING:
        yield ""
        yield f"governed-agents approve {shown['proposal']} --why ...   or   governed-agents reject {shown['proposal']} --why ..."


def _lines_of_outcome(shown: dict[str, Any]) -> Iterator[str]:
    """What came of it: calls by their end, and of remedies for failed runs whether they helped."""
    for state, number in shown["outcome"].items():
        if number:
            yield f"{number} {state}"
    for ended in shown["remedies"]:
        yield f"{ended['remedy']} of {ended['run_id']} {ended['end']}: {ended['note']}"
