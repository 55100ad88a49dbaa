"""What Dagster calls the nodes and tests of a dbt project, and where its warehouse is. Reads dbt's files; runs no dbt."""

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import dagster as dg
import jinja2.sandbox
import yaml
from dagster_dbt import DagsterDbtTranslator, DbtProject
from dagster_dbt.asset_utils import get_asset_check_key_for_test

from semantic.errors import WarehouseUnavailable

_ASSET_TYPES = frozenset({"model", "seed", "snapshot"})


@dataclass(frozen=True, kw_only=True)
class DbtTest:
    """A dbt test whose failure fails a build. `check_key` is None where dagster-dbt reports it as an observation."""

    unique_id: str
    name: str
    nodes: tuple[str, ...]
    check_key: dg.AssetCheckKey | None


@dataclass(frozen=True, kw_only=True)
class DbtAssets:
    """The assets of a dbt project: asset keys by unique id, as the project's own translator gives them, and its tests."""

    keys: Mapping[str, dg.AssetKey]
    tests: tuple[DbtTest, ...]


def load_dbt_assets(
    target_path: Path,
    *,
    translator: DagsterDbtTranslator | None = None,
    project: DbtProject | None = None,
) -> DbtAssets:
    """The dbt assets that `manifest.json` describes. Existing keys stay as they are: the translator is asked."""
    manifest = json.loads((target_path / "manifest.json").read_text())
    asked = translator or DagsterDbtTranslator()
    return DbtAssets(
        keys={
            unique_id: asked.get_asset_spec(manifest, unique_id, project).key
            for unique_id, raw in manifest["nodes"].items()
            if raw["resource_type"] in _ASSET_TYPES
            and raw.get("config", {}).get("materialized") != "ephemeral"
        },
        tests=tuple(
            DbtTest(
                unique_id=unique_id,
                name=raw["name"],
                nodes=tuple(raw["depends_on"]["nodes"]),
                check_key=get_asset_check_key_for_test(manifest, asked, unique_id, project),
            )
            for unique_id, raw in manifest["nodes"].items()
            if raw["resource_type"] == "test" and _fails_a_build(raw)
        ),
    )


def locate_warehouse(
    project_dir: Path, profiles_dir: Path | None = None, target: str | None = None
) -> Path:
    """The DuckDB file that a dbt project builds into, from its profile.

    A relative path counts from the project's folder, where dagster-dbt runs dbt. Raises `WarehouseUnavailable`.
    """
    profile_name = str(_yaml(project_dir / "dbt_project.yml").get("profile"))
    path = (profiles_dir or project_dir) / "profiles.yml"
    if not path.is_file():
        path = Path(os.environ.get("DBT_PROFILES_DIR", Path.home() / ".dbt")) / "profiles.yml"
    profile = _yaml(path).get(profile_name)
    if not isinstance(profile, dict):
        raise WarehouseUnavailable(
            f"{path} has no profile '{profile_name}'",
            hint=f"{project_dir}/dbt_project.yml names it",
        )
    wanted = target or profile.get("target") or "default"
    output = (profile.get("outputs") or {}).get(wanted)
    if not isinstance(output, dict):
        raise WarehouseUnavailable(f"{path}: the profile '{profile_name}' has no target '{wanted}'")
    if output.get("type") != "duckdb":
        raise WarehouseUnavailable(
            f"{path}: the target '{wanted}' is of type '{output.get('type')}'; governed reads run on DuckDB for now",
            hint="point it at a target of type duckdb",
        )
    if not output.get("path") or str(output["path"]).startswith((":memory:", "md:")):
        raise WarehouseUnavailable(
            f"{path}: the target '{wanted}' keeps its data in no file of its own",
            hint="give it a `path` to a DuckDB file",
        )
    return (project_dir / str(output["path"])).resolve()


def _fails_a_build(test: Mapping[str, Any]) -> bool:
    config = test.get("config") or {}
    return (
        bool(config.get("enabled", True))
        and str(config.get("severity") or "error").lower() == "error"
    )


def _yaml(path: Path) -> dict[str, Any]:
    """A dbt YAML file with its `env_var` calls filled in, as dbt does."""
    try:
        text = path.read_text()
    except OSError as error:
        raise WarehouseUnavailable(
            f"Cannot read {path}",
            hint="name the folder of profiles.yml, or the warehouse file itself",
        ) from error
    try:
        rendered = jinja2.sandbox.SandboxedEnvironment().from_string(text).render(env_var=_env_var)
        parsed = yaml.safe_load(rendered)
    except (jinja2.TemplateError, yaml.YAMLError) as error:
        raise WarehouseUnavailable(f"Cannot understand {path}: {error}") from error
    if not isinstance(parsed, dict):
        raise WarehouseUnavailable(f"{path} is not a dbt file")
    return parsed


def _env_var(name: str, default: str | None = None) -> str:
    value = os.environ.get(name, default)
    if value is None:
        raise WarehouseUnavailable(
            f"The dbt profile needs the environment variable {name}", hint=f"set {name}"
        )
    return value
