"""`governed-agents verify`, `prove` and `checkpoint`: whether the record is whole, and what shows it to others."""

import os
from pathlib import Path
from typing import Annotated

import typer
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from orchestration_assets.cli.elsewhere import read_elsewhere, write_elsewhere, write_file
from orchestration_assets.cli.names import unknown_read
from orchestration_assets.cli.output import print_json, say
from orchestration_assets.cli.place import Place
from semantic.errors import GovernedMetricsError
from semantic.ledger import Checkpoint, Verified, open_note

PROOF = ".tlog-proof"
# Another exit code than that of a command which could not look.
NOT_WHOLE = 3


def verify(
    context: typer.Context,
    against: Annotated[
        str | None,
        typer.Option(
            help="A checkpoint that was kept elsewhere: a file, or an object that a URL names."
        ),
    ] = None,
    key: Annotated[
        str | None,
        typer.Option(
            help="A public key that is trusted beside those here: where these are lost, the first one that you know."
        ),
    ] = None,
    with_files: Annotated[
        bool,
        typer.Option(
            "--files/--no-files",
            help="Have SQLite hold its tables against their indexes: long, where there are millions of records.",
        ),
    ] = True,
    as_json: Annotated[bool, typer.Option("--json", help="An array with one object.")] = False,
) -> None:
    """Walks the whole record and says whether anything in it was changed, and where first. Exits 3 where it was.

    Example: governed-agents verify --against last-month.checkpoint
    """
    place = Place.of(context)
    also = [_public_key(key)] if key else []
    public_keys = place.state / "signing.pub"
    is_missing = not public_keys.exists()
    checkpoint = _checkpoint(place, against, also) if against else None
    found = place.ledger.verify(
        against=checkpoint, also=also, processes=os.cpu_count() or 1, with_files=with_files
    )
    if as_json:
        print_json([_plain(found)])
    else:
        _print(found, checkpoint)
    if not with_files:
        say(
            "The files of the database were not looked at: an index that leaves rows out would not show."
        )
    if is_missing and not found.is_whole:
        say(
            f"{public_keys} was missing, and with it the keys by which checkpoints are checked: restore it from its backup, "
            "or name the first key that you know, --key"
        )
    if not found.is_whole:
        raise typer.Exit(NOT_WHOLE)


def checkpoint(
    context: typer.Context,
    to: Annotated[
        str | None,
        typer.Option(
            help="Also write it to this file, best on another machine, or to an object that a URL names."
        ),
    ] = None,
) -> None:
    """Signs a checkpoint over everything on record. Whoever keeps it elsewhere finds any later change to what came before.

    Example: governed-agents checkpoint --to /mnt/elsewhere/today.checkpoint
    """
    ledger = Place.of(context).ledger
    before = ledger.covered()
    note = ledger.seal()
    if note is None:
        raise GovernedMetricsError("Nothing is on record yet")
    if to is not None:
        write_elsewhere(to, note)
    typer.echo(note, nl=False)
    covered = ledger.covered()
    say(f"It covers {_many(covered, 'record')}, of which {covered - before:,} were exposed before")


def prove(
    context: typer.Context,
    read_id: Annotated[str, typer.Argument(help="The read, as `governed-agents reads` shows it.")],
    to: Annotated[Path, typer.Option(help="The folder to write to.", file_okay=False)] = Path(),
) -> None:
    """Writes what proves, offline and without this package, that a read is on record: one file for its intent, one for its outcome.

    Example: governed-agents prove 019aa3f2-... --to proofs
    """
    place = Place.of(context)
    proofs = place.ledger.prove(read_id)
    if not proofs:
        raise unknown_read(place, read_id)
    for kind, text in proofs.items():
        path = to / f"{read_id}-{kind}{PROOF}"
        write_file(path, text)
        typer.echo(path)
    say(f"check with: python verify_proof.py FILE {place.ledger.public_key}")


def _checkpoint(place: Place, kept: str, also: list[Ed25519PublicKey]) -> Checkpoint:
    return open_note(read_elsewhere(kept), [*place.ledger.public_keys, *also])


def _public_key(key: str) -> Ed25519PublicKey:
    try:
        return Ed25519PublicKey.from_public_bytes(bytes.fromhex(key))
    except ValueError as error:
        raise GovernedMetricsError(
            "This is no public key",
            hint="64 hexadecimal digits, as `governed-agents keys list` shows it",
        ) from error


def _print(found: Verified, against: Checkpoint | None) -> None:
    for item in found.findings:
        what = f"record {item.seq}" if item.seq else "the file"
        typer.echo(f"{what} {item.harm}: {item.text}")
    state = "whole" if found.is_whole else "NOT WHOLE"
    streams, checkpoints = _many(found.streams, "stream"), _many(found.checkpoints, "checkpoint")
    typer.echo(f"{state}: {_many(found.records, 'record')} in {streams}, {checkpoints}")
    since = "the checkpoint that was kept elsewhere" if against else "the last checkpoint"
    typer.echo(
        f"{_many(found.exposed, 'record')} after {since}: a change to these alone would not show"
    )
    if against is None:
        typer.echo(
            "Who has the signing key can sign another history: compare with a checkpoint that was kept elsewhere, --against"
        )


def _many(count: int, what: str) -> str:
    return f"{count:,} {what}{'' if count == 1 else 's'}"


def _plain(found: Verified) -> dict[str, object]:
    return {
        "is_whole": found.is_whole,
        "records": found.records,
        "streams": found.streams,
        "checkpoints": found.checkpoints,
        "exposed": found.exposed,
        "findings": [
            {"seq": item.seq, "harm": item.harm.value, "text": item.text} for item in found.findings
        ],
    }
