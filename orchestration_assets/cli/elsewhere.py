"""Where a command keeps what it makes, and finds what was kept: a file, or an object of a store that a URL names."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from semantic.durable import write_whole
from semantic.errors import GovernedMetricsError


def write_elsewhere(to: str, text: str) -> None:
    """Writes a text to a path or a URL, in place of what was there. A file is whole and on the disk then.

    Raises `GovernedMetricsError` where it cannot be.
    """
    path = _path(to)
    if path is not None:
        if not path.parent.is_dir():
            raise GovernedMetricsError(
                f"There is no folder {path.parent}",
                hint="make it, or mount what should be there: a copy on the same disk would be no copy elsewhere",
            )
        write_file(path, text)
        return
    with _object(to, "write") as (store, name):
        store.pipe_file(name, text.encode())


def read_elsewhere(from_: str) -> str:
    """The text of a file or of an object. Raises `GovernedMetricsError` where it cannot be read."""
    path = _path(from_)
    if path is None:
        with _object(from_, "read") as (store, name):
            return str(store.cat_file(name).decode())
    try:
        return path.read_text()
    except OSError as error:
        raise GovernedMetricsError(f"Cannot read {path}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise GovernedMetricsError(f"Cannot read {path}: it is not a text") from error


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


def _path(place: str) -> Path | None:
    """The file that is named, None where an object is. Raises `GovernedMetricsError` for a file of another machine."""
    if "://" not in place:
        return Path(place)
    if not place.startswith("file://"):
        return None
    url = urlsplit(place)
    if url.netloc not in ("", "localhost"):
        raise GovernedMetricsError(
            f"{place} is on another machine, '{url.netloc}'",
            hint="the path of a file begins with a third slash, as in file:///mnt/kept/today.checkpoint",
        )
    return Path(unquote(url.path))


@contextmanager
def _object(url: str, act: str) -> Iterator[tuple[Any, str]]:
    """The store of an object and its name in it, to do this with."""
    import fsspec  # Most commands need none, and it takes a tenth of a second.

    scheme = url.partition("://")[0]
    try:
        store, name = fsspec.core.url_to_fs(url)
    except Exception as error:  # each store has its own
        raise GovernedMetricsError(
            f"Cannot {act} {scheme}://: {error}",
            hint="name a file, or install the package of fsspec for that store",
        ) from error
    try:
        yield store, name
    except Exception as error:
        raise GovernedMetricsError(
            f"Cannot {act} {url}: {type(error).__name__}: {str(error).partition(chr(10))[0]}"
        ) from error
