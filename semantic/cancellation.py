"""Stops queries that somebody does not wait for any more."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager

import duckdb


class Cancelled(Exception):
    """A query was stopped, or did not begin, because nobody waits for it."""


class Cancellation:
    """The queries of one session. Cancelled, it interrupts those that run, and lets none begin. Safe for threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._running: set[duckdb.DuckDBPyConnection] = set()
        self._is_cancelled = False

    @contextmanager
    def running(self, cursor: duckdb.DuckDBPyConnection) -> Iterator[None]:
        """While a query runs on this cursor. Raises `Cancelled` where it was stopped, or all was stopped before."""
        with self._lock:
            if self._is_cancelled:
                raise Cancelled
            self._running.add(cursor)
        try:
            yield
        except duckdb.InterruptException as error:
            if self._is_cancelled:
                raise Cancelled from error
            raise
        finally:
            with self._lock:
                self._running.discard(cursor)

    def cancel(self) -> None:
        """Interrupts what runs. What is asked from here on does not begin."""
        with self._lock:
            self._is_cancelled = True
            for cursor in self._running:
                cursor.interrupt()
