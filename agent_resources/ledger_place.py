"""Where the record is: in a database that is named, in the one of the Dagster instance, or in a file."""

from pathlib import Path

from semantic.errors import LedgerUnavailable

LEDGER_FILE = "ledger.db"
_SCHEMES = ("postgresql://", "postgres://", "postgresql+psycopg://")


def ledger_place(folder: Path, *, url: str = "", database: str | None = None) -> Path | str:
    """`url` where it names a Postgres database; else `database`, the instance's own; else the file in `folder`.

    Raises `LedgerUnavailable` where the URL is of no kind that is known, or where there is a file and a database, of which one would
    be half the record.
    """
    if url:
        if not url.startswith(_SCHEMES):
            raise LedgerUnavailable(
                f"A ledger is a file or a Postgres database, and {url.partition(':')[0]!r} is neither",
                hint="name it like postgresql://user:password@host:5432/database; for a file set state_dir",
            )
        return url.replace("postgres://", "postgresql://", 1)
    file = folder / LEDGER_FILE
    if database is None:
        return file
    if file.exists():
        raise LedgerUnavailable(
            f"There is a record in {file}, and the Dagster instance has a Postgres database",
            hint="name the database as `ledger` to begin a record there, and keep the file; or move the file away",
        )
    return database
