"""An engine that keeps on disk what another one said, so that a new process answers without making that one.

What is read back is no more trusted than what an engine compiles: the planner checks it as one SELECT over governed relations, and
puts row restrictions into it. Files fall with the definitions and with the code: a folder per semantic manifest and versions.

    <folder>/<manifest and versions>/<digest of the question>.json
"""

import hashlib
import json
import os
import secrets
import shutil
import threading
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import Any

from semantic.canonical import canonical_json
from semantic.catalog import Catalog
from semantic.engine import CompileRequest, MetricEngine
from semantic.metric import Dimension, DimensionKind

PLANS_FOLDER = "plans"
_KEPT_MANIFESTS = 3


class StoredEngine:
    """A `MetricEngine` over the files of one catalogue. `make` gives the engine for what is not on file. Safe for threads, and for
    several processes over one folder.
    """

    def __init__(
        self, catalog: Catalog, make: Callable[[Catalog], MetricEngine], folder: Path
    ) -> None:
        self._catalog = catalog
        self._make = make
        self._folder = folder / _name_of(catalog)
        self._made: MetricEngine | None = None
        self._making = threading.Lock()
        self._dimensions: dict[tuple[str, ...], Mapping[str, Dimension]] = {}

    def dimensions(self, metrics: Sequence[str]) -> Mapping[str, Dimension]:
        key = tuple(sorted(metrics))
        if key not in self._dimensions:
            path = self._path({"dimensions": list(key)})
            found = _read(path, _dimensions_from)
            if found is None:
                found = dict(self._engine.dimensions(metrics))
                self._write(path, [_plain(item) for item in found.values()])
            self._dimensions[key] = found
        return self._dimensions[key]

    def compile(self, request: CompileRequest) -> str:
        question: dict[str, Any] = {
            "metrics": list(request.metrics),
            "group_by": [item.column for item in request.group_by],
            "conditions": [
                [item.template, [_plain(operand) for operand in item.operands]]
                for item in request.conditions
            ],
            "span": _plain(request.span) if request.span else None,
            "generalised": [[named.column, repr(mask)] for named, mask in request.generalised],
        }
        path = self._path(question)
        found: str | None = _read(path, _sql_from)
        if found is None:
            found = self._engine.compile(request)
            self._write(path, {"sql": found})
        return found

    @property
    def _engine(self) -> MetricEngine:
        with self._making:
            if self._made is None:
                self._made = self._make(self._catalog)
            return self._made

    def _path(self, question: Mapping[str, Any]) -> Path:
        return self._folder / f"{hashlib.sha256(canonical_json(question)).hexdigest()[:32]}.json"

    def _write(self, path: Path, found: object) -> None:
        """Keeps it whole or not at all. Where that cannot be done, the next process asks again."""
        with suppress(OSError):
            if not self._folder.is_dir():
                self._folder.mkdir(parents=True, exist_ok=True)
                self._retire()
            fresh = path.with_name(f"{path.name}.{secrets.token_hex(4)}")
            fresh.write_text(json.dumps(found))
            fresh.replace(path)

    def _retire(self) -> None:
        """Removes what older definitions left, all but that of the last few."""
        folders = [path for path in self._folder.parent.iterdir() if path.is_dir()]
        for old in sorted(folders, key=os.path.getmtime)[:-_KEPT_MANIFESTS]:
            shutil.rmtree(old, ignore_errors=True)


def _name_of(catalog: Catalog) -> str:
    return hashlib.sha256(f"{catalog.manifest_hash} {_versions()}".encode()).hexdigest()[:16]


@cache
def _versions() -> str:
    """What else the answers of an engine come from: MetricFlow, and the code that asks it."""
    asking = sorted(Path(__file__).parent.glob("*.py"))
    digests = [hashlib.sha256(path.read_bytes()).hexdigest() for path in asking]
    return " ".join([version("metricflow"), *digests])


def _read(path: Path, understand: Callable[[Any], Any]) -> Any:
    """What stands in a file, or None where there is none or it is damaged."""
    try:
        return understand(json.loads(path.read_text()))
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _sql_from(plain: Mapping[str, Any]) -> str:
    return str(plain["sql"])


def _dimensions_from(plain: Sequence[Mapping[str, Any]]) -> dict[str, Dimension]:
    return {item["name"]: _dimension(item) for item in plain}


def _dimension(plain: Mapping[str, Any]) -> Dimension:
    return Dimension(
        name=str(plain["name"]),
        kind=DimensionKind(plain["kind"]),
        grains=tuple(plain["grains"]),
        custom_grains=frozenset(plain["custom_grains"]),
        date_parts=tuple(plain["date_parts"]),
        description=str(plain["description"]),
        pii=bool(plain["pii"]),
        models=tuple(plain["models"]),
    )


def _plain(item: Any) -> dict[str, Any]:
    """A dimension or an operand as plain JSON values, the same in every process."""
    return json.loads(json.dumps(asdict(item), default=sorted))  # type: ignore[no-any-return]
