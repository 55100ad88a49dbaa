"""A proof of a record is checked offline by a script that knows nothing of this package, and by nothing else than what is so."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from semantic.ledger import Ledger, NoteError, Record, RecordKind, open_note

VERIFIER = Path(__file__).parents[3] / "semantic" / "evidence" / "offline" / "verify_proof.py"
COUNT = 600


@pytest.fixture(scope="module")
def proofs(tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[int, str], str]:
    """Proofs of some of many records, and the public key."""
    ledger = Ledger.open(tmp_path_factory.mktemp("proofs") / "ledger.db")
    for number in range(COUNT):
        ledger.append(Record(record_id=str(number), kind=RecordKind.REFUSAL))
        if number == 300:
            ledger.seal()
    found = {
        number: ledger.prove(str(number))["refusal"]
        for number in (0, 1, 255, 256, 300, 301, 511, 512, COUNT - 1)
    }
    key = ledger.public_key
    ledger.close()
    return found, key


def checked(proof: str, key: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """What the script says, in a Python that finds no package of ours."""
    file = folder / "read.tlog-proof"
    file.write_text(proof)
    return subprocess.run(
        [sys.executable, "-P", VERIFIER, file, key],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )


def test_the_script_is_short_and_stands_alone() -> None:
    text = VERIFIER.read_text()
    assert len(text.splitlines()) <= 60
    assert "semantic" not in text


def test_a_record_is_proven(proofs: tuple[dict[int, str], str], tmp_path: Path) -> None:
    found, key = proofs
    for number, proof in found.items():
        done = checked(proof, key, tmp_path)
        assert done.returncode == 0, done.stderr
        assert json.loads(done.stdout)["record"]["id"] == str(number)


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ("extra ey", "extra fy", "not in the ledger that was signed"),
        ("index 300", "index 301", "not in the ledger that was signed"),
        ("\n601\n", "\n602\n", "not signed with this key"),
        ("proof@v1", "proof@v2", "this is no proof"),
    ],
)
def test_whatever_is_changed_proves_nothing(
    proofs: tuple[dict[int, str], str], tmp_path: Path, old: str, new: str, told: str
) -> None:
    found, key = proofs
    assert old in found[300]
    done = checked(found[300].replace(old, new, 1), key, tmp_path)
    assert done.returncode == 1
    assert f"NOT PROVEN: {told}" in done.stderr or told in done.stderr


def test_another_key_proves_nothing(proofs: tuple[dict[int, str], str], tmp_path: Path) -> None:
    done = checked(proofs[0][300], "00" * 32, tmp_path)
    assert (done.returncode, "not signed with this key" in done.stderr) == (1, True)


def test_there_is_no_proof_of_what_is_not_on_record(ledger: Ledger) -> None:
    assert ledger.prove("nothing") == {}
    assert ledger.seal() is None


def test_a_checkpoint_of_another_key_is_refused(ledger: Ledger, tmp_path: Path) -> None:
    ledger.append(Record(record_id="r", kind=RecordKind.REFUSAL))
    note = ledger.seal()
    other = Ledger.open(tmp_path / "other" / "ledger.db")
    other.append(Record(record_id="r", kind=RecordKind.REFUSAL))
    other.seal()
    assert note is not None
    with pytest.raises(NoteError, match="not signed with a key that is known"):
        open_note(note, other.public_keys)
    with pytest.raises(NoteError, match="no checkpoint of a ledger"):
        open_note("hello", other.public_keys)
    other.close()
