"""Where what a command makes is kept: a file, or an object of a store that a URL names."""

from pathlib import Path
from urllib.parse import urlsplit

from semantic.durable import write_whole
from semantic.errors import GovernedMetricsError


def write_elsewhere(to: str, text: str) -> None:
    """Writes a text to a path or a URL, in place of what was there. A file is whole and on the disk then.

    Raises `GovernedMetricsError` where it cannot be.
    """
    if "://" not in to:
        write_file(Path(to), text)
    elif to.startswith("file://"):
        write_file(Path(urlsplit(to).path), text)
    else:
        _write_object(to, text)


def write_file(path: Path, text: str) -> None:
    """Writes a text to a file, whole and on the disk. Raises `GovernedMetricsError`."""
    if path.is_dir():
        raise GovernedMetricsError(
            f"{path} is a folder", hint=f"name a file in it: {path / 'today.checkpoint'}"
        )
    try:
        write_whole(path, text)
    except OSError as error:
        raise GovernedMetricsError(f"Cannot write {path}: {error.strerror}") from error


def _write_object(url: str, text: str) -> None:
    import fsspec  # Most commands need none, and it takes a tenth of a second.

    scheme = url.partition("://")[0]
    try:
        store, path = fsspec.core.url_to_fs(url)
    except Exception as error:  # each store has its own
        raise GovernedMetricsError(
            f"Cannot write to {scheme}://: {error}",
            hint="name a file, or install the package of fsspec for that store",
        ) from error
    try:
        store.pipe_file(path, text.encode())
    except Exception as error:
        raise GovernedMetricsError(
            f"Cannot write {url}: {type(error).__name__}: {str(error).partition(chr(10))[0]}"
        ) from error
