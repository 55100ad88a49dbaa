"""Evidence as a folder: tables that people and programs read, a proof for every record in them, and the script that checks all of it offline."""

import base64
import hashlib
import json
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from importlib.resources import files
from pathlib import Path
from typing import Any

from semantic.durable import write_whole
from semantic.errors import GovernedMetricsError
from semantic.evidence.collected import Evidence, OnRecord
from semantic.ledger import Ledger, Read, ReadOutcome, RecordKind
from semantic.ledger.chain import content_of
from semantic.ledger.moment import as_recorded
from semantic.ledger.uses import is_released

INDEX = "evidence.json"
_OFFLINE = files("semantic.evidence") / "offline"
_SCRIPTS = ("verify_evidence.py", "verify_proof.py")
_SHORT = 8
_MOST_LISTED = 500


def write_evidence(
    ledger: Ledger, evidence: Evidence, folder: Path, *, notices: Sequence[str] = ()
) -> Mapping[str, int]:
    """Writes the folder, which must not be there or be empty, and says how many records of which kind are in it. `notices` come first in its README.

    The newest checkpoint covers all of it: what none covered is sealed first. Raises `GovernedMetricsError`.
    """
    _refuse_used(folder)
    proofs = ledger.prove_all(evidence.record_ids)
    note = next((_note_of(it) for kinds in proofs.values() for it in kinds.values()), "")
    counts = {
        "reads": len({it.read_id for it in evidence.reads}),
        "decisions": len(evidence.decisions),
        "policies": len(evidence.policies),
        "definitions": len(evidence.definitions),
        "people": len(evidence.people),
    }
    found: dict[str, str] = {
        "reads.jsonl": _lines(
            _read(it, _names_in(proofs.get(it.read_id, {}))) for it in evidence.reads
        ),
        "decisions.jsonl": _lines(map(_record, evidence.decisions)),
        "policies.jsonl": _lines(map(_record, evidence.policies)),
        "definitions.jsonl": _lines(map(_record, evidence.definitions)),
        "people.jsonl": _lines(map(_record, evidence.people)),
        "checkpoint": note or ledger.seal() or "",
        **{name: (_OFFLINE / name).read_text(encoding="utf-8") for name in _SCRIPTS},
        **{
            f"proofs/{record_id}-{kind}.tlog-proof": text
            for record_id, kinds in sorted(proofs.items())
            for kind, text in kinds.items()
        },
    }
    found["README.md"] = _readme(evidence, found, ledger.public_key, notices)
    index = {
        "agent": evidence.agent,
        "since": as_recorded(evidence.since),
        "until": as_recorded(evidence.until),
        "public_key": ledger.public_key,
        "records": counts,
        "files": {name: _digest(text) for name, text in sorted(found.items())},
    }
    try:
        for name, text in found.items():
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(text.encode())
        # Last: a folder without it is not whole, and says so.
        write_whole(folder / INDEX, json.dumps(index, indent=1) + "\n")
    except OSError as error:
        raise GovernedMetricsError(f"Cannot write {folder}: {error.strerror}") from error
    return counts


def _refuse_used(folder: Path) -> None:
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise GovernedMetricsError(
            f"{folder} is there already", hint="name a folder that is new, or empty"
        )


def _note_of(proof: str) -> str:
    """The checkpoint that a proof is against."""
    return proof.partition("\n\n")[2]


def _lines(rows: Iterable[Mapping[str, Any]]) -> str:
    return "".join(f"{json.dumps(row, ensure_ascii=False)}\n" for row in rows)


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def _names_in(proofs: Mapping[str, str]) -> frozenset[str]:
    """The dimensions that the record of a read names as they are."""
    found: set[str] = set()
    for kind, proof in proofs.items():
        if kind in (RecordKind.INTENT, RecordKind.REFUSAL):
            extra = proof.split("\n")[1].removeprefix("extra ")
            query = content_of(base64.b64decode(extra))["details"].get("query") or {}
            found |= {it for it in query.get("group_by") or () if isinstance(it, str)}
    return frozenset(found)


def _read(read: Read, known: Collection[str]) -> dict[str, Any]:
    return {
        "read_id": read.read_id,
        "metric": read.metric,
        "at": read.at,
        "agent": read.agent,
        "acting_for": read.acting_for,
        "run_id": read.run_id,
        "outcome": read.outcome,
        "reason": read.reason,
        "rows": read.rows,
        "data_version": read.data_version,
        "definition_hash": read.definition_hash,
        "covers_from": read.covers_from,
        "covers_to": read.covers_to,
        "snapshot": read.snapshot,
        "policy_hash": read.policy_hash,
        # What no dimension was called stands in the record as a digest.
        "group_by": [name for name in read.group_by if name in known],
    }


def _record(item: OnRecord) -> dict[str, Any]:
    return {
        "record_id": item.record_id,
        "kind": item.kind.value,
        "at": item.at,
        "by": item.by,
        "run_id": item.run_id,
        "reason": item.reason,
        "details": item.details,
        "erasable": [
            {"digest": it.digest, "key": it.key.hex(), "value": it.value} for it in item.kept
        ],
    }


def _readme(
    evidence: Evidence, files_of: Mapping[str, str], public_key: str, notices: Sequence[str]
) -> str:
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


def _day(moment: Any) -> str:
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
