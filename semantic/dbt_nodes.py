"""What the catalogue needs of dbt's `manifest.json`: what builds the data, and what of it is personal."""

from collections.abc import Mapping
from typing import Any

from semantic.catalog import DbtNode

Json = Mapping[str, Any]

_NODE_TYPES = frozenset({"model", "seed", "snapshot", "source"})


def read_dbt_nodes(manifest: Json) -> dict[str, DbtNode]:
    raw_nodes = {**manifest.get("nodes", {}), **manifest.get("sources", {})}
    macros = manifest.get("macros") or {}
    return {
        unique_id: DbtNode(
            unique_id=unique_id,
            name=raw["name"],
            resource_type=raw["resource_type"],
            relation=raw.get("relation_name"),
            parents=tuple(
                parent
                for parent in (raw.get("depends_on") or {}).get("nodes", ())
                if parent in raw_nodes
            ),
            files=_files_of(raw),
            code=_code_of(raw, macros),
        )
        for unique_id, raw in raw_nodes.items()
        if raw["resource_type"] in _NODE_TYPES
    }


def _code_of(raw: Json, macros: Json) -> str | None:
    """The code of a model or snapshot, with that of the macros that it calls, however far, but for those of dbt itself; of a seed the digest of its
    file.
    """
    if raw["resource_type"] == "seed":
        return str((raw.get("checksum") or {}).get("checksum") or "") or None
    code = raw.get("raw_code")
    if not isinstance(code, str) or not code:
        return None
    known = (raw.get("macro_code") or {}) if "macro_code" in raw else _macros_of(raw, macros)
    return "\n".join([code, *(f"{name}: {known[name]}" for name in sorted(known))])


def _macros_of(raw: Json, macros: Json) -> dict[str, str]:
    found: dict[str, str] = {}
    waiting = list((raw.get("depends_on") or {}).get("macros") or ())
    while waiting:
        name = waiting.pop()
        macro = macros.get(name)
        is_of_dbt = name.split(".")[1].split("_")[0] == "dbt" if name.count(".") > 1 else True
        if macro is not None and not is_of_dbt and name not in found:
            found[name] = str(macro.get("macro_sql") or "")
            waiting.extend((macro.get("depends_on") or {}).get("macros") or ())
    return found


def _files_of(raw: Json) -> tuple[str, ...]:
    """The files that its `meta` names: `loaded_from`, or dbt-duckdb's `external_location`."""
    config = raw.get("config") or {}
    metas = (config, config.get("meta") or {}, raw.get("meta") or {})
    found = [meta.get(key) for meta in metas for key in ("loaded_from", "external_location")]
    named = [name for item in found for name in (item if isinstance(item, list) else [item])]
    return tuple(dict.fromkeys(str(name) for name in named if name))


def personal_columns(manifest: Json) -> dict[str, frozenset[str]]:
    """By relation, the lower-case names of the columns that dbt YAML tags or marks as personal."""
    return {
        raw["relation_name"]: frozenset(
            name.lower() for name, column in raw.get("columns", {}).items() if is_personal(column)
        )
        for raw in manifest.get("nodes", {}).values()
        if raw.get("relation_name")
    }


def catalog_part(manifest: Json) -> dict[str, Any]:
    """The part of `manifest.json` that a catalogue is built from."""
    metadata, macros = manifest.get("metadata", {}), manifest.get("macros") or {}
    kept = ("name", "resource_type", "relation_name", "raw_code")
    return {
        "metadata": {key: metadata.get(key) for key in ("adapter_type", "project_name")},
        **{
            group: {
                unique_id: {
                    **{key: raw.get(key) for key in kept},
                    "depends_on": {"nodes": (raw.get("depends_on") or {}).get("nodes", [])},
                    "meta": {"loaded_from": list(_files_of(raw))},
                    "checksum": raw.get("checksum"),
                    "macro_code": raw.get("macro_code") or _macros_of(raw, macros),
                    "columns": {
                        name: {key: column.get(key) for key in ("meta", "tags", "config")}
                        for name, column in raw.get("columns", {}).items()
                    },
                }
                for unique_id, raw in manifest.get(group, {}).items()
                if raw["resource_type"] in _NODE_TYPES
            }
            for group in ("nodes", "sources")
        },
    }


def is_personal(item: Json) -> bool:
    """Whether meta (`pii`, `contains_pii`) or a tag (`PII`) says so, on the item itself or in its config."""
    config = item.get("config") or {}
    metas = (item.get("meta") or {}, config.get("meta") or {})
    tags = [item.get("tags") or (), config.get("tags") or ()]
    words = [word for tag in tags for word in ((tag,) if isinstance(tag, str) else tag)]
    marked = any(meta.get(key) for meta in metas for key in ("pii", "PII", "contains_pii"))
    return marked or any(str(word).lower() == "pii" for word in words)
