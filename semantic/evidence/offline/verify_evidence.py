"""Checks, offline and without this package, that a folder of evidence is what was written, and that every record in it was in the ledger.

    python verify_evidence.py FOLDER PUBLIC_KEY_IN_HEX

Needs `cryptography` for the signature, and `verify_proof.py` beside it.
"""

import hashlib
import hmac
import json
import sys
from pathlib import Path

from verify_proof import verify

TABLES = ("decisions", "policies", "definitions", "people")


def check(folder: Path, public_key: bytes) -> str:
    """What is proven, in one line. Raises `ValueError` where anything is not."""
    index = json.loads((folder / "evidence.json").read_text())
    check_files(folder, index["files"])
    checkpoint = (folder / "checkpoint").read_text()
    proven = {}
    for path in sorted((folder / "proofs").glob("*.tlog-proof")):
        proof = path.read_text()
        if not proof.endswith(checkpoint):
            raise ValueError(f"{path.name} is against another checkpoint")
        body = json.loads(verify(proof, public_key))
        record = body.get("record", body)
        proven[record["id"], record["kind"]] = {**record, "at": body["at"]}
    used = set()
    for row in rows_of(folder, "reads"):
        used |= check_read(row, proven)
    for table in TABLES:
        for row in rows_of(folder, table):
            used.add(check_record(row, proven))
    if set(proven) - used:
        raise ValueError(f"{len(set(proven) - used)} proofs are of records that no table has")
    size = checkpoint.split("\n")[1]
    return f"PROVEN: {len(proven)} records of {index['agent']}, in a ledger of {size} records"


def check_files(folder: Path, digests: dict[str, str]) -> None:
    here = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}
    here = {name for name in here if "__pycache__" not in name} - {"evidence.json"}
    if here != set(digests):
        raise ValueError(
            f"the folder has other files than it was written with: {here ^ set(digests)}"
        )
    for name, digest in digests.items():
        if hashlib.sha256((folder / name).read_bytes()).hexdigest() != digest:
            raise ValueError(f"{name} was changed")


def rows_of(folder: Path, table: str) -> list[dict]:
    return [
        json.loads(line) for line in (folder / f"{table}.jsonl").read_text().split("\n") if line
    ]


def check_read(row: dict, proven: dict) -> set[tuple[str, str]]:
    """The records that tell of this read. What the row says must stand in them."""
    read_id = row["read_id"]
    begun = proven.get((read_id, "intent")) or proven.get((read_id, "refusal"))
    if begun is None:
        raise ValueError(f"the read {read_id} has no proof")
    [metric] = [it for it in begun["metrics"] if it["metric"] == row["metric"]]
    details = begun["details"]
    said = {
        "at": begun["at"],
        "agent": begun["reader"],
        "acting_for": begun["acting_for"],
        "run_id": begun["run_id"],
        "data_version": metric["data_version"],
        "definition_hash": metric["definition_hash"],
        "covers_from": metric["covers"][0],
        "covers_to": metric["covers"][1],
        "snapshot": details.get("snapshot"),
        "policy_hash": details.get("policy_hash"),
    }
    if begun["kind"] == "refusal":
        said |= {"outcome": "refused", "reason": begun["reason"], "rows": None}
    elif ended := proven.get((read_id, "outcome")):
        said |= {
            "outcome": outcome_of(ended),
            "reason": ended["reason"],
            "rows": ended["details"].get("rows"),
        }
    else:
        said |= {"outcome": "open", "reason": None, "rows": None}
    for name, value in said.items():
        if row[name] != value:
            raise ValueError(f"the read {read_id}: {name} is {row[name]}, and {value} on record")
    return {key for key in proven if key[0] == read_id}


def outcome_of(ended: dict) -> str:
    if ended["reason"] is None:
        return "allowed"
    return "indeterminate" if ended["reason"] == "indeterminate" else "refused"


def check_record(row: dict, proven: dict) -> tuple[str, str]:
    """The record of a row, which must say just what the row says."""
    key = row["record_id"], row["kind"]
    record = proven.get(key)
    if record is None:
        raise ValueError(f"the {row['kind']} {row['record_id']} has no proof")
    for name, here in (("at", "at"), ("reader", "by"), ("run_id", "run_id"), ("reason", "reason")):
        if record[name] != row[here]:
            raise ValueError(
                f"the {row['kind']} {row['record_id']}: {here} is not what is on record"
            )
    if record["details"] != row["details"]:
        raise ValueError(f"the {row['kind']} {row['record_id']} is not what is on record")
    said = json.dumps(record["details"])
    for item in row["erasable"]:
        made = hmac.new(bytes.fromhex(item["key"]), item["value"].encode(), hashlib.sha256)
        if made.hexdigest() != item["digest"] or item["digest"] not in said:
            raise ValueError(
                f"a text of the {row['kind']} {row['record_id']} is not what is on record"
            )
    return key


if __name__ == "__main__":
    try:
        print(check(Path(sys.argv[1]), bytes.fromhex(sys.argv[2])))
    except (IndexError, KeyError, OSError, TypeError, ValueError) as error:
        sys.exit(f"NOT PROVEN: {error}; usage: verify_evidence.py FOLDER PUBLIC_KEY")
