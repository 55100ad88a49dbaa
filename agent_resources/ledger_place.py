"""Where the record is: in a database that is named, in the one of the Dagster instance, or in a file."""

from pathlib import Path

from semantic.errors import LedgerUnavailable

LEDGER_FILE = "ledger.db"


def ledger_place(folder: Path, *, url: str = "", database: str | None = None) -> Path | str:
    """`url` where it names a Postgres database; else `database`, the instance's own; else the file in `folder`.

    Raises `LedgerUnavailable` where there is a file and a database, of which one would be half the record.
    """
    if url:
        return url
    file = folder / LEDGER_FILE
    if database is None:
        return file
    if file.exists():
        raise LedgerUnavailable(
            f"There is a record in {file}, and the Dagster instance has a Postgres database",
            hint="name the database as `ledger` to begin a record there, and keep the file; or move the file away",
        )
    return database
