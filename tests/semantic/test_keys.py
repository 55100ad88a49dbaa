"""The masking key is made once, kept for its owner alone, and the same for every process that asks."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from semantic.errors import LedgerUnavailable
from semantic.keys import change_mask_key, load_mask_key, mask_key_id

ROOT = Path(__file__).parents[2]
LOADS = """
import sys
from pathlib import Path
from semantic.keys import load_mask_key
print("ready", flush=True)
sys.stdin.readline()
for number in range(200):
    print(load_mask_key(Path(sys.argv[1]) / str(number)))
"""


def test_a_key_is_made_once_and_kept_for_its_owner(tmp_path: Path) -> None:
    key = load_mask_key(tmp_path / "state")
    assert len(bytes.fromhex(key)) == 32
    assert load_mask_key(tmp_path / "state") == key
    assert load_mask_key(tmp_path / "other") != key
    [file] = (tmp_path / "state").iterdir()
    assert file.stat().st_mode & 0o777 == 0o600


def test_processes_that_start_together_get_the_same_key(tmp_path: Path) -> None:
    """Each finds no key, and only one may make it. None may read one that is half written."""
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", LOADS, str(tmp_path)],
            env=os.environ | {"PYTHONPATH": str(ROOT)},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for _ in range(3)
    ]
    for process in processes:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
    for process in processes:
        assert process.stdin is not None
        process.stdin.write("go\n")
        process.stdin.flush()
    found = [process.communicate(timeout=300) for process in processes]
    assert [errors for _, errors in found] == [""] * 3
    assert len({keys for keys, _ in found}) == 1
    assert len(set(found[0][0].split())) == 200


@pytest.mark.parametrize("content", ["", "short", "x" * 65])
def test_a_damaged_key_is_named_and_never_made_anew(tmp_path: Path, content: str) -> None:
    """A new key would give every person a new pseudonym, without a word."""
    load_mask_key(tmp_path)
    (tmp_path / "masking.key").write_text(content)
    with pytest.raises(LedgerUnavailable, match=r"masking\.key is damaged") as told:
        load_mask_key(tmp_path)
    assert "`governed-agents keys change-masking --yes`" in str(told.value.hint)
    assert (tmp_path / "masking.key").read_text() == content


@pytest.mark.parametrize("before", ["whole", "damaged", "lost"])
def test_a_key_that_is_changed_leaves_nothing_of_the_one_before(
    tmp_path: Path, before: str
) -> None:
    first = load_mask_key(tmp_path)
    if before == "damaged":
        (tmp_path / "masking.key").write_text("short")
    if before == "lost":
        (tmp_path / "masking.key").unlink()
    second = change_mask_key(tmp_path)
    assert second == load_mask_key(tmp_path) != first
    assert mask_key_id(second) != mask_key_id(first)
    [file] = tmp_path.iterdir()
    assert file.stat().st_mode & 0o777 == 0o600


def test_a_place_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(LedgerUnavailable, match="Cannot keep the masking key in"):
        load_mask_key(tmp_path / "file" / "state")
