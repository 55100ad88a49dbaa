"""What Dagster calls the nodes and tests of a dbt project, and where its warehouse is. Reads dbt's files; runs no dbt."""

import json
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import dagster as dg
import jinja2.sandbox
import yaml
from dagster_dbt import DagsterDbtTranslator, DbtProject
from dagster_dbt.asset_utils import get_asset_check_key_for_test

from semantic.errors import WarehouseUnavailable

_BUILDING = frozenset({"build", "run", "seed", "snapshot", "retry"})
_ASSET_TYPES = frozenset({"model", "seed", "snapshot"})
_ADDRESS = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+:")
_DBT_FILTERS = ("as_text", "as_bool", "as_native", "as_number")
_NAME_THE_FILE = "mend it, or name the DuckDB file itself as `warehouse`"


@dataclass(frozen=True, kw_only=True)
class DbtTest:
    """A dbt test whose failure fails a build. `check_key` is None where dagster-dbt reports it as an observation."""

    unique_id: str
    name: str
    nodes: tuple[str, ...]
    check_key: dg.AssetCheckKey | None


@dataclass(frozen=True, kw_only=True)
class DbtAssets:
    """The assets of a dbt project: asset keys by unique id, as the project's own translator gives them, and its tests.

    `observed_keys` are those on which dagster-dbt reports a test that has no check. They are not `keys`: for these it asks the
    translator's older method, which a translation of keys does not reach.
    """

    keys: Mapping[str, dg.AssetKey]
    tests: tuple[DbtTest, ...]
    observed_keys: Mapping[str, dg.AssetKey]
    target: Path | None = None

    def built_outside(self) -> dict[str, float]:
        """By unique id, when dbt last built a node from a shell, in seconds since 1970. Dagster's own runs of dbt write their results
        elsewhere. Empty where there was no such run, or its results cannot be read.
        """
        try:
            written = json.loads((self.target or Path()).joinpath("run_results.json").read_text())
            which = written["args"]["which"]
            at = datetime.fromisoformat(written["metadata"]["generated_at"]).timestamp()
            built = [
                item["unique_id"] for item in written["results"] if item["status"] == "success"
            ]
        except (OSError, ValueError, KeyError, TypeError):
            return {}
        return dict.fromkeys(built, at) if which in _BUILDING else {}


def load_dbt_assets(
    target_path: Path,
    *,
    translator: DagsterDbtTranslator | None = None,
    project: DbtProject | None = None,
) -> DbtAssets:
    """The dbt assets that `manifest.json` describes. Existing keys stay as they are: the translator is asked."""
    manifest = json.loads((target_path / "manifest.json").read_text())
    asked = translator or DagsterDbtTranslator()
    specs = {
        unique_id: asked.get_asset_spec(manifest, unique_id, project)
        for unique_id, raw in manifest["nodes"].items()
        if raw["resource_type"] in _ASSET_TYPES
        and raw.get("config", {}).get("materialized") != "ephemeral"
    }
    return DbtAssets(
        keys={unique_id: spec.key for unique_id, spec in specs.items()},
        tests=tuple(
            DbtTest(
                unique_id=unique_id,
                name=raw["name"],
                nodes=_nodes_of(manifest, unique_id),
                check_key=_check_key(manifest, asked, unique_id, specs, project),
            )
            for unique_id, raw in manifest["nodes"].items()
            if raw["resource_type"] == "test" and _fails_a_build(raw)
        ),
        observed_keys={
            unique_id: asked.get_asset_key(manifest["nodes"][unique_id]) for unique_id in specs
        },
        target=target_path,
    )


def locate_warehouse(
    project_dir: Path,
    profiles_dir: Path | None = None,
    *,
    profile: str | None = None,
    target: str | None = None,
) -> Path:
    """The DuckDB file that a dbt project builds into, from its profile. Whether it is there is not asked.

    A relative path counts from the project's folder, where dagster-dbt runs dbt. Raises `WarehouseUnavailable`.
    """
    written = project_dir / "dbt_project.yml"
    name = profile or os.environ.get("DBT_PROFILE") or _text(_yaml(written).get("profile"), written)
    path = _profiles_file(project_dir, profiles_dir)
    found = _yaml(path).get(name or "")
    if not isinstance(found, dict):
        raise WarehouseUnavailable(f"{path} has no profile '{name}'", hint=f"{written} names it")
    wanted = target or os.environ.get("DBT_TARGET") or _text(found.get("target"), path) or "default"
    output = (found.get("outputs") or {}).get(wanted)
    if not isinstance(output, dict):
        raise WarehouseUnavailable(f"{path}: the profile '{name}' has no target '{wanted}'")
    adapter = _text(output.get("type"), path)
    if adapter != "duckdb":
        raise WarehouseUnavailable(
            f"{path}: the target '{wanted}' is of type '{adapter}'; governed reads run on DuckDB for now",
            hint="point it at a target of type duckdb",
        )
    place = _text(output.get("path"), path)
    if not place or place == ":memory:" or _ADDRESS.match(place):
        raise WarehouseUnavailable(
            f"{path}: the target '{wanted}' keeps its data in no file of its own",
            hint="give it a `path` to a DuckDB file",
        )
    return (project_dir / Path(place).expanduser()).resolve()


def _check_key(
    manifest: Mapping[str, Any],
    translator: DagsterDbtTranslator,
    test: str,
    specs: Mapping[str, dg.AssetSpec],
    project: DbtProject | None,
) -> dg.AssetCheckKey | None:
    """The check that dagster-dbt reports a test as. Where its translator has none, it reports an observation."""
    key: dg.AssetCheckKey | None = get_asset_check_key_for_test(manifest, translator, test, project)
    tested = [specs[node] for node in _nodes_of(manifest, test) if node in specs]
    if translator.settings.enable_source_tests_as_checks:
        tested += [
            translator.get_asset_spec(manifest, node, project)
            for node in _nodes_of(manifest, test)
            if node in manifest["sources"]
        ]
    spec = next((spec for spec in tested if key and spec.key == key.asset_key), None)
    check = translator.get_asset_check_spec(spec, manifest, test, project) if spec else None
    return key if check is not None and check.key == key else None


def _nodes_of(manifest: Mapping[str, Any], test: str) -> tuple[str, ...]:
    return tuple(manifest["nodes"][test]["depends_on"]["nodes"])


def _fails_a_build(test: Mapping[str, Any]) -> bool:
    config = test.get("config") or {}
    return (
        bool(config.get("enabled", True))
        and str(config.get("severity") or "error").lower() == "error"
    )


def _profiles_file(project_dir: Path, profiles_dir: Path | None) -> Path:
    path = (profiles_dir or project_dir) / "profiles.yml"
    if path.is_file():
        return path
    return Path(os.environ.get("DBT_PROFILES_DIR", Path.home() / ".dbt")) / "profiles.yml"


def _yaml(path: Path) -> dict[str, Any]:
    """A dbt YAML file as it is written. dbt fills in only the values that it uses, and so do we."""
    try:
        parsed = yaml.safe_load(path.read_text())
    except OSError as error:
        raise WarehouseUnavailable(f"Cannot read {path}", hint=_NAME_THE_FILE) from error
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = f"{path}:{mark.line + 1}" if mark else str(path)
        raise WarehouseUnavailable(f"{where}: is not YAML", hint=_NAME_THE_FILE) from error
    if not isinstance(parsed, dict):
        raise WarehouseUnavailable(f"{path} is not a dbt file", hint=_NAME_THE_FILE)
    return parsed


def _text(value: object, path: Path) -> str | None:
    """A value of a dbt file with its `env_var` calls filled in, as dbt does."""
    if value is None:
        return None
    environment = jinja2.sandbox.SandboxedEnvironment(undefined=jinja2.StrictUndefined)
    environment.filters |= dict.fromkeys(_DBT_FILTERS, lambda kept: kept)
    try:
        return environment.from_string(str(value)).render(env_var=_env_var)
    except jinja2.TemplateError as error:
        raise WarehouseUnavailable(
            f"{path}: cannot fill in {value}: {error}", hint=_NAME_THE_FILE
        ) from error


def _env_var(name: str, default: str | None = None) -> str:
    value = os.environ.get(name, default)
    if value is None:
        raise WarehouseUnavailable(
            f"The dbt profile needs the environment variable {name}", hint=f"set {name}"
        )
    return value
