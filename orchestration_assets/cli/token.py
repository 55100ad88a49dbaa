"""The token of who types a command. It is no argument: those are seen by everybody on the machine."""

import os
import sys
from pathlib import Path
from typing import Annotated

import typer

from semantic.errors import QuestionError
from semantic.ledger import Ledger
from semantic.ledger.tokens import Token, holder_of

TOKEN_VARIABLE = "GOVERNED_AGENTS_TOKEN"  # noqa: S105 - where one is found, and none itself

TokenFile = Annotated[
    Path | None,
    typer.Option(
        help=f"A file with your token; without it {TOKEN_VARIABLE}, or what is typed when asked."
    ),
]


def token_of(ledger: Ledger, file: Path | None) -> Token:
    """By which token somebody is known here. Raises `QuestionError` where none is given, and `TokenRefused`."""
    given = _given(file)
    if given is None and sys.stdin.isatty():
        given = str(typer.prompt("Your token", hide_input=True)).strip()
    if given is None:
        raise QuestionError(
            "Nobody is known here without a token",
            hint=f"set {TOKEN_VARIABLE}, or name a file with --token-file; governed-agents tokens mint makes one",
        )
    return holder_of(ledger, given)


def holder_of_token(ledger: Ledger, file: Path | None, *, is_needed: bool) -> str | None:
    """Who is known here, None where no token is given and none is needed."""
    if not is_needed and _given(file) is None:
        return None
    return token_of(ledger, file).holder


def _given(file: Path | None) -> str | None:
    if file is None:
        return os.environ.get(TOKEN_VARIABLE, "").strip() or None
    try:
        return file.read_text().strip()
    except (OSError, UnicodeDecodeError) as error:
        raise QuestionError(
            f"The token cannot be read from {file}", hint="name a file with nothing else in it"
        ) from error
