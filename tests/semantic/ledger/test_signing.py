"""Keys change, and what was signed and proven before stays good; who has no key that counts is found."""

from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from semantic.errors import LedgerUnavailable
from semantic.keys import SigningKeys, hex_of, public_hex
from semantic.ledger import Harm, Ledger, MetricRead, Record, RecordKind
from semantic.ledger.note import open_note
from semantic.ledger.sealing import seal
from semantic.ledger.tiles import JoinedTiles


def append(ledger: Ledger, *names: str) -> None:
    for name in names:
        ledger.append(
            Record(record_id=name, kind=RecordKind.REFUSAL, metrics=(MetricRead(metric="orders"),))
        )


def public(key: str) -> Ed25519PublicKey:
    return Ed25519PublicKey.from_public_bytes(bytes.fromhex(key))


def known(ledger: Ledger) -> list[str]:
    return [public_hex(key) for key in ledger.public_keys]


def test_old_checkpoints_and_proofs_stay_good_when_the_key_changes(
    place: Path | str, tmp_path: Path
) -> None:
    keys = tmp_path / "keys"
    ledger, other = Ledger.open(place, keys=keys), Ledger.open(place, keys=keys)
    append(ledger, "a", "b")
    first_note, first = ledger.seal(), ledger.public_key
    append(other, "c")
    second = ledger.change_signing_key()
    third = ledger.change_signing_key()
    assert other.public_key == third, "also to a process that was there before"
    append(other, "d")
    assert other.seal(), "a process that was there before signs with the new key"
    assert len({first, second, third}) == 3

    kept = open_note(str(first_note), [public(first)])
    found = ledger.verify(against=kept)
    assert (found.is_whole, found.checkpoints) == (True, 5)
    proof = ledger.prove("a")["refusal"]
    open_note(proof.partition("\n\n")[2], [public(third)])
    assert known(ledger) == [first, second, third]
    assert not (keys / "signing.key.before").exists()

    for path in keys.glob("signing.*"):
        path.unlink()
    alone = Ledger.open(place, keys=keys)
    assert alone.verify(also=[public(first)]).is_whole, "each key vouches for the next"
    assert {item.harm for item in alone.verify().findings} == {Harm.EDITED}
    for opened in (ledger, other, alone):
        opened.close()


def test_a_ledger_without_its_key_signs_nothing_until_the_key_is_replaced(
    place: Path | str, tmp_path: Path
) -> None:
    keys = tmp_path / "keys"
    ledger = Ledger.open(place, keys=keys)
    append(ledger, "a")
    ledger.seal()
    ledger.close()
    (keys / "signing.key").rename(tmp_path / "lost")

    ledger = Ledger.open(place, keys=keys)
    append(ledger, "b")
    with pytest.raises(LedgerUnavailable, match=r"was last signed with the key .* which is not"):
        ledger.seal()
    with pytest.raises(LedgerUnavailable, match="which is not here"):
        ledger.change_signing_key()
    assert not (keys / "signing.key").exists(), "none is made to look for one"
    assert known(ledger) == [ledger.public_key]
    ledger.change_signing_key(is_lost=True)
    append(ledger, "c")
    ledger.seal()
    assert ledger.verify().is_whole, "its owner knows both keys"
    ledger.close()

    (tmp_path / "elsewhere").mkdir()
    elsewhere = Ledger.open(place, keys=tmp_path / "elsewhere")
    first = SigningKeys(keys).public[0]
    found = elsewhere.verify(also=[first])
    assert "nobody vouches for" in found.findings[0].text
    elsewhere.close()


def test_a_process_that_died_while_it_changed_the_key_has_changed_nothing(tmp_path: Path) -> None:
    ledger = Ledger.open(tmp_path / "ledger.db")
    append(ledger, "a")
    ledger.seal()
    first = ledger.public_key
    SigningKeys(tmp_path).change()
    assert known(ledger) == [ledger.public_key] == [first], "what signed nothing is no key of it"
    open_note(ledger.prove("a")["refusal"].partition("\n\n")[2], [public(first)])

    later = Ledger.open(tmp_path / "ledger.db")
    append(later, "b")
    assert later.seal()
    assert later.public_key == first
    second = later.change_signing_key()
    assert second != first
    assert not (tmp_path / "signing.key.before").exists()
    append(ledger, "c")
    assert ledger.seal()
    assert ledger.verify().is_whole
    for opened in (ledger, later):
        opened.close()


def test_a_change_under_way_is_left_alone_by_who_looks_for_the_key_before(tmp_path: Path) -> None:
    keys = SigningKeys(tmp_path)
    first = hex_of(keys.current)
    second = hex_of(keys.change())
    found = SigningKeys(tmp_path).matching(first)
    assert found is not None
    assert hex_of(found) == first
    assert hex_of(keys.current) == second


def test_a_change_that_another_process_began_at_once_and_died_in_takes_no_key(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The key before is that of the other process then."""
    ledger = Ledger.open(tmp_path / "ledger.db")
    append(ledger, "a")
    with monkeypatch.context() as patched:
        patched.setattr(ledger._sealer, "_publish", lambda _: SigningKeys(tmp_path).change())
        second = ledger.change_signing_key()
    append(ledger, "b")
    assert ledger.seal()
    assert ledger.public_key == second
    assert not (tmp_path / "signing.key.before").exists()
    ledger.close()


def test_a_key_that_signed_is_published_by_the_next_who_looks(tmp_path: Path) -> None:
    """A process died after its checkpoint was on record, and before it published the key. Nothing vouches for this one."""
    ledger = Ledger.open(tmp_path / "ledger.db")
    append(ledger, "a")
    ledger.seal()
    first = ledger.public_key
    (tmp_path / "signing.key").unlink()
    second = ledger.change_signing_key(is_lost=True)
    (tmp_path / "signing.pub").write_text(f"{first}\n")
    assert ledger.verify().is_whole
    assert known(ledger) == [first, second]

    (tmp_path / "signing.pub").write_text(f"{first}\n")
    append(ledger, "b")
    third = ledger.change_signing_key()
    assert known(ledger) == [first, second, third], "also by who changes it again"
    ledger.close()


def test_the_key_of_a_forger_is_never_published(tmp_path: Path) -> None:
    ledger = Ledger.open(tmp_path / "ledger.db")
    append(ledger, "a")
    ledger.seal()
    first = ledger.public_key
    append(ledger, "b")
    with ledger._writer.transaction() as transaction:
        seal(transaction, Ed25519PrivateKey.generate(), JoinedTiles())
    assert known(ledger) == [first]
    with pytest.raises(LedgerUnavailable, match=r"last signed with the key .* not known here"):
        _ = ledger.public_key
    assert "nobody vouches for" in ledger.verify().findings[0].text
    ledger.close()


def test_what_is_said_of_a_damaged_key_leads_to_a_new_one(tmp_path: Path) -> None:
    ledger = Ledger.open(tmp_path / "ledger.db")
    append(ledger, "a")
    ledger.seal()
    (tmp_path / "signing.key").write_text("damaged")
    append(ledger, "b")
    with pytest.raises(LedgerUnavailable, match=r"signing\.key is damaged") as told:
        ledger.seal()
    assert "move it away and run `governed-agents keys replace`" in str(told.value.hint)
    (tmp_path / "signing.key").rename(tmp_path / "away")
    ledger.change_signing_key(is_lost=True)
    assert ledger.verify().is_whole
    ledger.close()


def test_a_key_that_is_here_is_not_replaced_as_lost(tmp_path: Path) -> None:
    ledger = Ledger.open(tmp_path / "ledger.db")
    append(ledger, "a")
    ledger.seal()
    with pytest.raises(LedgerUnavailable, match="The signing key is not lost"):
        ledger.change_signing_key(is_lost=True)
    ledger.close()


def test_a_key_that_was_changed_does_not_count_again_in_the_form_of_older_versions(
    tmp_path: Path,
) -> None:
    """Their checkpoints name no key."""
    old = SigningKeys(tmp_path).current
    ledger = Ledger.open(tmp_path / "ledger.db")
    append(ledger, "a")
    ledger.seal()
    ledger.change_signing_key()
    append(ledger, "b")
    with ledger._writer.transaction() as transaction:
        last = transaction.last
        assert seal(transaction, old, JoinedTiles())[0] is not None
        unnamed = transaction._added.pop()
        details = {name: unnamed.entry.record.details[name] for name in ("note", "size", "through")}
        transaction.last = last
        transaction._there.clear()
        transaction.add(Record(record_id="forged", kind=RecordKind.CHECKPOINT, details=details))
    found = ledger.verify()
    assert "it names no key, and the one before it does" in found.findings[0].text
    ledger.close()


def test_who_signs_with_a_key_of_their_own_is_found(tmp_path: Path) -> None:
    """Also where they know an older key of the ledger, which no longer counts."""
    keys = SigningKeys(tmp_path)
    old = keys.current
    for forger in (Ed25519PrivateKey.generate(), old):
        path = tmp_path / hex_of(forger)[:8] / "ledger.db"
        ledger = Ledger.open(path, keys=tmp_path)
        append(ledger, "a")
        ledger.seal()
        ledger.change_signing_key()
        append(ledger, "b")
        with ledger._writer.transaction() as transaction:
            seal(transaction, forger, JoinedTiles())
        found = ledger.verify()
        assert "nobody vouches for" in found.findings[0].text
        ledger.close()


def test_who_knows_the_first_key_only_finds_that_it_signs_again(tmp_path: Path) -> None:
    ledger = Ledger.open(tmp_path / "ledger.db", keys=tmp_path / "keys")
    old = SigningKeys(tmp_path / "keys").current
    append(ledger, "a")
    ledger.seal()
    ledger.change_signing_key()
    append(ledger, "b")
    with ledger._writer.transaction() as transaction:
        seal(transaction, old, JoinedTiles())
    ledger.close()
    alone = Ledger.open(tmp_path / "ledger.db", keys=tmp_path / "none")
    found = alone.verify(also=[old.public_key()])
    assert "nobody vouches for" in found.findings[0].text
    alone.close()


def test_promises_are_followed_in_whatever_order_keys_are_known(tmp_path: Path) -> None:
    ledger = Ledger.open(tmp_path / "ledger.db", keys=tmp_path / "keys")
    append(ledger, "a")
    ledger.seal()
    ledger.change_signing_key()
    first, second = ledger.public_keys
    ledger.close()
    alone = Ledger.open(tmp_path / "ledger.db", keys=tmp_path / "none")
    assert alone.verify(also=[second, first]).is_whole
    assert not alone.verify(also=[second]).is_whole, "nobody knows who made the first checkpoint"
    alone.close()


def test_the_files_of_keys_are_for_their_owner(tmp_path: Path) -> None:
    keys = SigningKeys(tmp_path)
    first = hex_of(keys.current)
    keys.publish(first)
    keys.publish(hex_of(keys.change()))
    keys.forget_before()
    assert hex_of(keys.current) != first
    assert (tmp_path / "signing.key").stat().st_mode & 0o777 == 0o600
    assert first not in (tmp_path / "signing.key").read_text()
    assert len((tmp_path / "signing.pub").read_text().split()) == 2
    (tmp_path / "signing.pub").write_text("nonsense")
    with pytest.raises(LedgerUnavailable, match=r"signing\.pub cannot be read, or is damaged"):
        _ = keys.public
