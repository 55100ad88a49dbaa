"""The public keys of an issuer, as it publishes them now: read again when one is asked for that is not among them, and no more often than is fair."""

import json
import threading
import time
from collections.abc import Callable
from pathlib import Path

import httpx
import jwt

from semantic.errors import GovernedMetricsError

_MOST_BYTES = 1_000_000
_KEPT_SECONDS = 600.0
_AGAIN_SECONDS = 15.0
_PATIENCE_SECONDS = 5.0


class KeysUnavailable(GovernedMetricsError):
    """The keys of an issuer cannot be read, and none are known from before. The operator can act."""


class KeySet:
    """The keys at a URL or in a file. Safe for threads. `clock` gives seconds that only grow."""

    def __init__(self, place: str, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._place = place
        self._clock = clock
        self._keys: dict[str | None, jwt.PyJWK] = {}
        self._read_at: float | None = None
        self._lock = threading.Lock()

    def key(self, key_id: str | None) -> jwt.PyJWK | None:
        """The key of this id; where a token names none, the only one there is. None where there is none. Raises `KeysUnavailable`."""
        with self._lock:
            age = None if self._read_at is None else self._clock() - self._read_at
            is_known = key_id in self._keys if key_id is not None else bool(self._keys)
            if age is None or age > _KEPT_SECONDS or (not is_known and age > _AGAIN_SECONDS):
                self._read()
            if key_id is None:
                return next(iter(self._keys.values())) if len(self._keys) == 1 else None
            return self._keys.get(key_id)

    def _read(self) -> None:
        try:
            published = json.loads(self._text())
            # A secret that signs and verifies is no public key: whoever knows it could make tokens.
            usable = [key for key in published["keys"] if key.get("kty") in ("RSA", "EC", "OKP")]
            found = [jwt.PyJWK(key) for key in usable if key.get("use", "sig") == "sig"]
        except (OSError, httpx.HTTPError, ValueError, KeyError, TypeError, AttributeError) as error:
            self._fail(error)
            return
        except jwt.PyJWTError as error:
            self._fail(error)
            return
        self._keys = {key.key_id: key for key in found}
        self._read_at = self._clock()

    def _fail(self, error: Exception) -> None:
        if not self._keys:
            raise KeysUnavailable(
                f"The keys at {self._place} cannot be read: {type(error).__name__}",
                hint="look at `keys` of the issuer in serve.yaml",
            ) from error
        self._read_at = self._clock()

    def _text(self) -> bytes:
        if "://" not in self._place:
            return Path(self._place).read_bytes()[:_MOST_BYTES]
        with httpx.stream(
            "GET", self._place, timeout=_PATIENCE_SECONDS, follow_redirects=False
        ) as response:
            response.raise_for_status()
            read = b""
            for part in response.iter_bytes():
                read += part
                if len(read) > _MOST_BYTES:
                    raise ValueError("the key set is too large")
            return read
