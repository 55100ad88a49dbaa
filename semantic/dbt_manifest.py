"""dbt artifacts -> `Catalog`.

Reads `semantic_manifest.json` (what metrics mean) and `manifest.json` (what builds them). Needs no dbt and no MetricFlow, so
that definitions load fast.
"""

import hashlib
import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from semantic.catalog import Catalog, DbtNode
from semantic.dbt_nodes import catalog_part, is_personal, personal_columns, read_dbt_nodes
from semantic.errors import ManifestError
from semantic.metric import DimensionKind, Element, SemanticModel
from semantic.metric_meaning import MetricMeanings, words_of
from semantic.platform.definitions import is_of_platform, with_platform_metrics
from semantic.saved_query import read_saved_queries

Json = Mapping[str, Any]

_KEYS = frozenset({"primary", "unique", "natural"})
_STALE_AFTER_SECONDS = 60


def load_catalog(
    target_path: Path, *, project_dir: Path | None = None, platform_metrics: bool = False
) -> Catalog:
    """The catalogue of the dbt project whose artifacts lie in `target_path`, on demand with the platform's metrics in it.

    With `project_dir`, artifacts that are older than the project's own files are refused. Raises `ManifestError`.
    """
    raw_semantic = _read(target_path / "semantic_manifest.json")
    manifest = _parse(target_path / "manifest.json", _read(target_path / "manifest.json"))
    if project_dir is not None:
        _refuse_stale(target_path, manifest, project_dir)
    source = str(target_path / "semantic_manifest.json")
    if platform_metrics:
        raw_semantic = json.dumps(with_platform_metrics(_parse(Path(source), raw_semantic), source))
    return build_catalog(raw_semantic, manifest, source=source)


def build_catalog(
    raw_semantic: str, manifest: Json, *, source: str = "semantic_manifest.json"
) -> Catalog:
    """The catalogue that these artifacts describe. `manifest` may be a subset with `metadata`, `nodes` and `sources`."""
    semantic = _parse(Path(source), raw_semantic)
    adapter = manifest.get("metadata", {}).get("adapter_type")
    if adapter not in (None, "duckdb"):
        raise ManifestError(
            f"This dbt project runs on '{adapter}'; governed reads run on DuckDB for now",
            hint="point the component at a dbt target of type duckdb",
        )
    if not semantic.get("semantic_models") or not semantic.get("metrics"):
        raise ManifestError(
            f"The dbt project of {source} declares no {'metrics' if semantic.get('semantic_models') else 'semantic models'}",
            hint="add semantic_models: and metrics: in YAML beside its models, then run `dbt parse`",
        )
    nodes = read_dbt_nodes(manifest)
    pii_columns = personal_columns(manifest)
    models = {
        raw["name"]: _semantic_model(raw, nodes, pii_columns) for raw in semantic["semantic_models"]
    }
    databases = {
        raw["node_relation"]["database"]
        for raw in semantic["semantic_models"]
        if not is_of_platform(raw["node_relation"]["relation_name"])
    }
    if len(databases) != 1:
        raise ManifestError(
            f"The semantic models of {source} read from several databases: {', '.join(sorted(map(str, databases)))}",
            hint="build the governed models into one DuckDB file",
        )
    known_columns = {
        raw["relation_name"]: tuple(raw.get("columns") or ())
        for raw in manifest.get("nodes", {}).values()
        if raw.get("relation_name")
    }
    meaning = MetricMeanings(semantic, models, known_columns)
    metrics = {raw["name"]: meaning.metric(raw) for raw in semantic["metrics"]}
    private = frozenset(
        raw["name"] for raw in semantic["metrics"] if raw["type_params"].get("is_private")
    )
    return Catalog(
        project=manifest.get("metadata", {}).get("project_name") or "dbt",
        database=databases.pop(),
        manifest_hash=hashlib.sha256(raw_semantic.encode()).hexdigest(),
        semantic_manifest=raw_semantic,
        manifest_subset=json.dumps(catalog_part(manifest)),
        metrics={name: metrics[name] for name in sorted(metrics) if name not in private},
        private_metrics={name: metrics[name] for name in sorted(private)},
        semantic_models=models,
        saved_queries=read_saved_queries(semantic.get("saved_queries") or ()),
        time_spines=_time_spines(semantic),
        custom_grains=_custom_grains(semantic),
        dbt_nodes=nodes,
    )


def meaning_of(catalog: Catalog, name: str) -> Mapping[str, Any]:
    """What the definition of a metric says that changes its meaning: what its definition hash is the hash of. `name` is that of a metric there."""
    semantic = json.loads(catalog.semantic_manifest)
    return MetricMeanings(semantic, catalog.semantic_models, {}).meaning(name)


def _semantic_model(
    raw: Json,
    nodes: Mapping[str, DbtNode],
    pii_columns: Mapping[str, frozenset[str]],
) -> SemanticModel:
    relation = raw["node_relation"]["relation_name"]
    pii = pii_columns.get(relation, frozenset())
    elements = {
        item["name"]: _element(item, kind, pii)
        for kind, item in (
            *((None, item) for item in raw.get("dimensions") or ()),
            *((DimensionKind.ENTITY, item) for item in raw.get("entities") or ()),
        )
    }
    built_by = next((node.unique_id for node in nodes.values() if node.relation == relation), None)
    default_time = (raw.get("defaults") or {}).get("agg_time_dimension")
    return SemanticModel(
        name=raw["name"],
        relation=relation,
        dbt_model=built_by,
        elements=elements,
        has_measures=bool(raw.get("measures")),
        primary_entities=tuple(
            name
            for name in (
                raw.get("primary_entity"),
                *(item["name"] for item in raw.get("entities") or () if item["type"] in _KEYS),
            )
            if name
        ),
        time_expression=elements[default_time].expression if default_time in elements else None,
    )


def _element(item: Json, kind: DimensionKind | None, pii_columns: frozenset[str]) -> Element:
    expression = item.get("expr") or item["name"]
    return Element(
        name=item["name"],
        kind=kind or DimensionKind(item["type"]),
        expression=expression,
        description=item.get("description") or "",
        pii=is_personal(item) or bool(words_of(expression) & pii_columns),
        is_key=kind is DimensionKind.ENTITY and item["type"] in _KEYS,
    )


def _time_spines(semantic: Json) -> tuple[str, ...]:
    configuration = semantic.get("project_configuration") or {}
    spines = configuration.get("time_spines") or ()
    legacy = configuration.get("time_spine_table_configurations") or ()
    return tuple(
        sorted(
            {spine["node_relation"]["relation_name"] for spine in spines}
            | {".".join(f'"{part}"' for part in spine["location"].split(".")) for spine in legacy}
        )
    )


def _custom_grains(semantic: Json) -> frozenset[str]:
    configuration = semantic.get("project_configuration") or {}
    return frozenset(
        custom["name"]
        for spine in configuration.get("time_spines") or ()
        for custom in spine.get("custom_granularities") or ()
    )


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except OSError as error:
        raise ManifestError(
            f"There is no dbt artifact {path}",
            hint="run `dbt parse` (or `dbt build`) in the dbt project",
        ) from error
    except UnicodeDecodeError as error:
        raise ManifestError(
            f"{path} is not UTF-8 text", hint="run `dbt parse` to write it anew"
        ) from error


def _parse(path: Path, text: str) -> dict[str, Any]:
    try:
        parsed = json.loads(text)
    except ValueError as error:
        raise ManifestError(
            f"{path} is not JSON: {error}", hint="run `dbt parse` to write it anew"
        ) from error
    if not isinstance(parsed, dict):
        raise ManifestError(
            f"{path} is not a dbt artifact", hint="run `dbt parse` to write it anew"
        )
    return parsed


def _refuse_stale(target_path: Path, manifest: Json, project_dir: Path) -> None:
    parsed_at = (target_path / "semantic_manifest.json").stat().st_mtime
    for path in _project_files(manifest, project_dir):
        if path.is_file() and path.stat().st_mtime > parsed_at + _STALE_AFTER_SECONDS:
            raise ManifestError(
                f"{target_path / 'semantic_manifest.json'} is older than {path}",
                hint="run `dbt parse` so that the metrics are the ones this file declares",
            )


def _project_files(manifest: Json, project_dir: Path) -> Iterable[Path]:
    own = manifest.get("metadata", {}).get("project_name")
    found: set[str] = set()
    for group in ("nodes", "metrics", "semantic_models"):
        for raw in manifest.get(group, {}).values():
            if raw.get("package_name") == own and raw.get("original_file_path"):
                found.add(raw["original_file_path"])
                patch = raw.get("patch_path")
                if patch:
                    found.add(patch.split("://", 1)[-1])
    return (project_dir / path for path in sorted(found))
