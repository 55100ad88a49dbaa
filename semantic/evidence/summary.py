"""What a person reads first in a folder of evidence: when the agent was in use, what came of its runs, how to check it, and what it does not show."""

import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime

from semantic.evidence.collected import Evidence, OnRecord
from semantic.ledger import Read, ReadOutcome
from semantic.ledger.uses import is_released

_SHORT = 8
_MOST_LISTED = 500


def summary_of(
    evidence: Evidence, files_of: Mapping[str, str], public_key: str, notices: Sequence[str]
) -> str:
    """The README of a folder with these files, by name. `notices` come first."""
    return "\n".join(
        [
            f"# What is on record of {evidence.agent}",
            "",
            *(line for notice in notices for line in (f"**{_cell(notice)}**", "")),
            f"From {_day(evidence.since)} until before {_day(evidence.until)}, UTC.",
            "",
            *_use(evidence),
            "",
            "## What is in this folder",
            "",
            "| file | what it holds |",
            "| --- | --- |",
            "| `reads.jsonl` | each metric of each read: when, in which run, at which data version, by which definition and policy, from which snapshot, for which days; released or refused, and why |",
            "| `decisions.jsonl` | what was decided, or that a run ended at a limit; which reads it rests on, what it took |",
            "| `policies.jsonl` | the policies that these reads went by, and those published meanwhile, in full |",
            "| `definitions.jsonl` | the agent's definition and the metrics' definition hashes: those that stood when the time began, and each change |",
            "| `people.jsonl` | who approved, judged, acknowledged or took back, when and why |",
            f"| `proofs/` | {sum(name.startswith('proofs/') for name in files_of):,} proofs of inclusion: one for each record above |",
            "| `checkpoint` | the signed state of the whole record that all proofs are against |",
            "| `evidence.json` | the digest of each file |",
            "",
            *_runs(evidence),
            *_refusals(evidence),
            *_people(evidence),
            "## How to check it",
            "",
            "```console",
            f"$ python verify_evidence.py . {public_key}",
            "```",
            "",
            "It needs Python and `cryptography`, no network and nothing of the system that wrote this. It holds every row of the tables against the record that its proof has; this page is a summary of them, and proves nothing. Get the public key and the two scripts in another way than with this folder: who forges it forges them.",
            "",
            "## What this does not show",
            "",
            "- That nothing was left out, the end of a read or a text among it: a proof shows that a record is there. Whether these are all is seen in the whole record: `governed-agents verify --against` a checkpoint that you kept, and `governed-agents reads`.",
            "- Texts that were erased: the records hold keyed digests of them. Filters stand in the proofs, those by personal dimensions as digests too.",
            "- That any law or standard is complied with.",
            "",
        ]
    )


def _day(moment: datetime) -> str:
    return str(moment.isoformat(sep=" ", timespec="minutes"))


def _use(evidence: Evidence) -> Iterator[str]:
    moments = [*(it.at for it in evidence.reads), *(it.at for it in evidence.decisions)]
    if not moments:
        yield "It read nothing and decided nothing in this time."
        return
    outcomes = Counter({it.read_id: it.outcome for it in evidence.reads}.values())
    metrics = {it.metric for it in evidence.reads if is_released(it.outcome)}
    limited = sum(it.reason is not None for it in evidence.decisions)
    yield f"- In use from {_moment(min(moments))} to {_moment(max(moments))}, in {len(_by_run(evidence)):,} runs."
    yield f"- {outcomes[ReadOutcome.ALLOWED]:,} reads of {len(metrics):,} metrics were released, {outcomes[ReadOutcome.REFUSED]:,} refused, {outcomes[ReadOutcome.OPEN] + outcomes[ReadOutcome.INDETERMINATE]:,} ended without an outcome."
    yield f"- {len(evidence.decisions) - limited:,} decisions; {limited:,} runs ended at a limit."
    yield f"- {len({it.reason for it in evidence.policies}):,} policies, {len(evidence.definitions):,} definitions, {len(evidence.people):,} records of people."


def _by_run(evidence: Evidence) -> dict[str, list[Read]]:
    found: dict[str, list[Read]] = {it.run_id: [] for it in evidence.decisions if it.run_id}
    for read in evidence.reads:
        if read.run_id is not None:
            found.setdefault(read.run_id, []).append(read)
    return found


def _runs(evidence: Evidence) -> Iterator[str]:
    decided = {it.run_id: it for it in evidence.decisions}
    runs = list(_by_run(evidence).items())
    if not runs:
        return
    yield from (
        "## Runs",
        "",
        "| run | first read | reads | refused | came to |",
        "| --- | --- | --- | --- | --- |",
    )
    for run_id, reads in runs[-_MOST_LISTED:]:
        first = _moment(min(it.at for it in reads)) if reads else ""
        refused = len({it.read_id for it in reads if it.outcome == ReadOutcome.REFUSED})
        yield f"| {run_id[:_SHORT]} | {first} | {len({it.read_id for it in reads})} | {refused} | {_came_to(decided.get(run_id))} |"
    if len(runs) > _MOST_LISTED:
        yield from ("", f"The last {_MOST_LISTED} of {len(runs):,} runs.")
    yield ""


def _came_to(decision: OnRecord | None) -> str:
    if decision is None:
        return "no decision on record"
    if decision.reason is not None:
        return f"{decision.reason}, no decision"
    text = decision.text("decision")
    answer = "erased" if text is None else str(json.loads(text).get("answer") or "")
    return f"`{decision.record_id[:_SHORT]}` {_cell(answer)}"


def _refusals(evidence: Evidence) -> Iterator[str]:
    counts = Counter(
        (it.metric, it.reason or "") for it in evidence.reads if it.outcome == ReadOutcome.REFUSED
    )
    if counts:
        yield from ("## Refused", "", "| metric | reason | reads |", "| --- | --- | --- |")
        for (metric, reason), count in sorted(counts.items()):
            yield f"| {_cell(metric)} | {reason} | {count} |"
        yield ""


def _people(evidence: Evidence) -> Iterator[str]:
    yield from ("## People", "")
    if not evidence.people:
        yield from ("No approval, verdict, acknowledgement or recall is on record.", "")
        return
    yield from ("| at | what | by | record |", "| --- | --- | --- | --- |")
    for item in evidence.people:
        yield f"| {_moment(item.at)} | {item.kind.value} | {_cell(item.by or '')} | {item.record_id[:_SHORT]} |"
    yield ""


def _moment(at: str) -> str:
    return at[:16].replace("T", " ")


def _cell(text: str) -> str:
    """What people or models wrote, as text in a table of Markdown: on one line, and nothing in it is markup."""
    line = " ".join("".join(it if it.isprintable() else " " for it in text).split())
    return "".join(f"\\{it}" if it in r"\`*_[]<>|&" else it for it in line)
