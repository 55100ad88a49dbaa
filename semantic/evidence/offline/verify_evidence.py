"""Checks, offline and without this package, that every row of a folder of evidence stands in a record that was in the ledger.

    python verify_evidence.py FOLDER PUBLIC_KEY_IN_HEX

Needs `cryptography` for the signature, and `verify_proof.py` beside it. Get this script and the key in another way than with the folder: who forges one
forges the other. README.md is a summary, and is not looked at.
"""

import hashlib
import hmac
import json
import sys
from collections import Counter
from pathlib import Path

from verify_proof import check_signature, verify

KINDS = {
    "decisions": {"decision"},
    "policies": {"policy"},
    "definitions": {"definition"},
    "people": {"approval", "verdict", "acknowledgement", "recall"},
}
READ = [
    "read_id",
    "metric",
    "at",
    "agent",
    "acting_for",
    "run_id",
    "outcome",
    "reason",
    "rows",
    "data_version",
    "definition_hash",
    "covers_from",
    "covers_to",
    "snapshot",
    "policy_hash",
    "group_by",
]
RECORD = ["record_id", "kind", "at", "by", "run_id", "reason", "details", "erasable"]


def check(folder: Path, public_key: bytes) -> str:
    """What is proven, in a few lines. Raises `ValueError` where anything is not."""
    index = parsed((folder / "evidence.json").read_bytes())
    check_files(folder, index["files"])
    checkpoint = text_of(folder / "checkpoint")
    size = check_checkpoint(checkpoint, public_key)
    proven = {}
    for path in sorted((folder / "proofs").glob("*.tlog-proof")):
        proof = text_of(path)
        if proof.partition("\n\n")[2] != checkpoint:
            raise ValueError(f"{path.name} is against another checkpoint")
        body = parsed(verify(proof, public_key))
        record = body.get("record", body)
        proven[record["id"], record["kind"]] = {**record, "at": body["at"]}
    used = check_reads(folder, proven, index)
    open_reads = sum(row["outcome"] == "open" for row in rows_of(folder, "reads", READ))
    erased = 0
    for table in KINDS:
        rows = rows_of(folder, table, RECORD)
        keys = [(row["record_id"], row["kind"]) for row in rows]
        if len(set(keys)) != len(keys):
            raise ValueError(f"{table}.jsonl has a record twice")
        for row in rows:
            check_record(row, table, proven, index)
            erased += not_shown(row)
        used.update(keys)
    if set(proven) - used:
        raise ValueError(f"{len(set(proven) - used)} proofs are of records that no table has")
    lines = [f"PROVEN: {len(proven)} records of {index['agent']}, in a ledger of {size} records"]
    if open_reads:
        lines.append(
            f"{open_reads} rows are of reads that are shown without an end: that they had none is not proven"
        )
    if erased:
        lines.append(f"{erased} texts are not shown: they were erased, or left out")
    return "\n".join(lines)


def check_files(folder: Path, digests: dict) -> None:
    here = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}
    here = {name for name in here if "__pycache__" not in name} - {"evidence.json"}
    if here != set(digests):
        raise ValueError(
            f"the folder has other files than it was written with: {sorted(here ^ set(digests))}"
        )
    for name, digest in digests.items():
        if hashlib.sha256((folder / name).read_bytes()).hexdigest() != digest:
            raise ValueError(f"{name} was changed")


def check_checkpoint(checkpoint: str, public_key: bytes) -> int:
    """How many records the signed checkpoint covers."""
    note, _, signatures = checkpoint.partition("\n\n")
    origin, size, _ = note.split("\n")
    check_signature(f"{note}\n", signatures, origin, public_key)
    return int(size)


def check_reads(folder: Path, proven: dict, index: dict) -> set:
    """The records that tell of the reads. What each row says must stand in them, and each metric of a read must have its row."""
    rows = rows_of(folder, "reads", READ)
    shown = Counter((row["read_id"], row["metric"]) for row in rows)
    if shown and max(shown.values()) > 1:
        raise ValueError("reads.jsonl has a row twice")
    for row in rows:
        check_read(row, proven)
        check_of(row["read_id"], row["agent"], row["at"], index)
    ids = {row["read_id"] for row in rows}
    for (read_id, kind), record in proven.items():
        if read_id in ids and kind in ("intent", "refusal"):
            for item in record["metrics"]:
                if (read_id, item["metric"]) not in shown:
                    raise ValueError(f"the read {read_id} has no row of {item['metric']}")
    return {key for key in proven if key[0] in ids and key[1] in ("intent", "refusal", "outcome")}


def check_read(row: dict, proven: dict) -> None:
    read_id = row["read_id"]
    begun = proven.get((read_id, "intent")) or proven.get((read_id, "refusal"))
    if begun is None:
        raise ValueError(f"the read {read_id} has no proof")
    metrics = {item["metric"]: item for item in begun["metrics"]}
    if row["metric"] not in metrics:
        raise ValueError(f"the read {read_id} was not of {row['metric']}")
    metric, details = metrics[row["metric"]], begun["details"]
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
        "group_by": [
            it for it in (details.get("query") or {}).get("group_by") or [] if isinstance(it, str)
        ],
        **end_of(begun, proven.get((read_id, "outcome"))),
    }
    for name, value in said.items():
        if row[name] != value:
            raise ValueError(f"the read {read_id}: {name} is {row[name]}, and {value} on record")


def end_of(begun: dict, ended: dict | None) -> dict:
    if begun["kind"] == "refusal":
        return {"outcome": "refused", "reason": begun["reason"], "rows": None}
    if ended is None:
        return {"outcome": "open", "reason": None, "rows": None}
    reason = ended["reason"]
    outcome = (
        "allowed" if reason is None else "indeterminate" if reason == "indeterminate" else "refused"
    )
    return {"outcome": outcome, "reason": reason, "rows": ended["details"].get("rows")}


def check_record(row: dict, table: str, proven: dict, index: dict) -> None:
    """The record of a row must say just what the row says."""
    what = f"the {row['kind']} {row['record_id']}"
    record = proven.get((row["record_id"], row["kind"]))
    if record is None:
        raise ValueError(f"{what} has no proof")
    if row["kind"] not in KINDS[table]:
        raise ValueError(f"{what} stands in {table}.jsonl")
    for name, here in (("at", "at"), ("reader", "by"), ("run_id", "run_id"), ("reason", "reason")):
        if record[name] != row[here]:
            raise ValueError(f"{what}: {here} is not what is on record")
    if record["details"] != row["details"]:
        raise ValueError(f"{what} is not what is on record")
    if table == "decisions":
        check_of(row["record_id"], row["by"], row["at"], index)
    digests = digests_in(record["details"])
    for item in row["erasable"]:
        made = hmac.new(bytes.fromhex(item["key"]), item["value"].encode(), hashlib.sha256)
        if set(item) != {"digest", "key", "value"} or item["digest"] not in digests:
            raise ValueError(f"a text of {what} is not what is on record")
        if made.hexdigest() != item["digest"]:
            raise ValueError(f"a text of {what} is not what is on record")


def check_of(record_id: str, reader: str | None, at: str, index: dict) -> None:
    """That it is of the agent, and of the time, that the folder says."""
    if reader != index["agent"]:
        raise ValueError(f"{record_id} is of {reader}, and the folder of {index['agent']}")
    if not index["since"] <= at < index["until"]:
        raise ValueError(f"{record_id} is of {at}, which is not in the time of the folder")


def not_shown(row: dict) -> int:
    return len(digests_in(row["details"]) - {item["digest"] for item in row["erasable"]})


def digests_in(value: object) -> set:
    """What stands in a record in place of texts that can be erased."""
    if isinstance(value, dict):
        if set(value) == {"erasable"} and isinstance(value["erasable"], str):
            return {value["erasable"]}
        return set().union(*map(digests_in, value.values()))
    return set().union(*map(digests_in, value)) if isinstance(value, list) else set()


def rows_of(folder: Path, table: str, columns: list) -> list:
    rows = [
        parsed(line.encode()) for line in text_of(folder / f"{table}.jsonl").split("\n") if line
    ]
    for row in rows:
        if list(row) != columns:
            raise ValueError(f"a row of {table}.jsonl has other columns than {', '.join(columns)}")
    return rows


def text_of(path: Path) -> str:
    return path.read_bytes().decode()


def parsed(text: bytes) -> dict:
    """JSON in which no name stands twice: two readers could take another one of them."""

    def once(pairs: list) -> dict:
        if len({name for name, _ in pairs}) != len(pairs):
            raise ValueError("a name stands twice")
        return dict(pairs)

    return json.loads(text, object_pairs_hook=once)


if __name__ == "__main__":
    try:
        print(check(Path(sys.argv[1]), bytes.fromhex(sys.argv[2])))
    except (AttributeError, IndexError, KeyError, OSError, TypeError, ValueError) as error:
        sys.exit(f"NOT PROVEN: {error}; usage: verify_evidence.py FOLDER PUBLIC_KEY")
