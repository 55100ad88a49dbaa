"""Evidence as a folder: tables that people and programs read, a proof for every record in them, and the script that checks all of it offline."""

import base64
import hashlib
import json
from collections.abc import Collection, Iterable, Mapping, Sequence
from importlib.resources import files
from pathlib import Path
from typing import Any

from semantic.durable import write_whole
from semantic.errors import GovernedMetricsError
from semantic.evidence.collected import Evidence, OnRecord
from semantic.evidence.summary import summary_of
from semantic.ledger import Ledger, Read, RecordKind
from semantic.ledger.chain import content_of
from semantic.ledger.moment import as_recorded

INDEX = "evidence.json"
_OFFLINE = files("semantic.evidence") / "offline"
_SCRIPTS = ("verify_evidence.py", "verify_proof.py")


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
    found["README.md"] = summary_of(evidence, found, ledger.public_key, notices)
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
