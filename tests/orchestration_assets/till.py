"""The foreign project of `tests/projects/till` with a dbt project beside it: copied, changed, loaded and run as its owner would."""

import asyncio
import json
import os
import shutil
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
from dagster.components.core.component_tree import ComponentTree, ComponentTreeException
from dagster_dbt import DbtProjectComponent

from semantic.ledger import STATE_FOLDER
from tests.orchestration_assets.location import fork, make_quick_home

SOURCE = Path(__file__).parents[1] / "projects" / "till"
LOCK = "publish.lock"


@dataclass(frozen=True, kw_only=True)
class Till:
    """A folder with a dbt project in `shop`, a Dagster project over it in `till`, and a DAGSTER_HOME in `home`."""

    root: Path

    @property
    def shop(self) -> Path:
        return self.root / "shop"

    @property
    def project(self) -> Path:
        return self.root / "till"

    @property
    def package(self) -> Path:
        return self.project / "src" / "till"

    @property
    def defs(self) -> Path:
        return self.package / "defs"

    @property
    def policy(self) -> Path:
        return self.defs / "governed" / "policy.yaml"

    @property
    def state(self) -> Path:
        """Where our record and our snapshots are."""
        return self.root / "home" / STATE_FOLDER

    @property
    def dbt_copy(self) -> Path:
        """Where DbtProjectComponent runs dbt, once its state was refreshed."""
        return self.defs / ".local_defs_state" / "DbtProjectComponent__shop__" / "project"

    @property
    def warehouse(self) -> Path:
        return self.dbt_copy / "shop.duckdb"

    @property
    def published(self) -> list[str]:
        """All that lies in the folder of the snapshots, but for what they changed and the lock of those who publish."""
        others = (LOCK, "changes")
        return sorted(p.name for p in (self.state / "snapshots").glob("*") if p.name not in others)

    def instance(self) -> dg.DagsterInstance:
        return dg.DagsterInstance.from_config(str(self.root / "home"))

    def copy(self, root: Path) -> "Till":
        return Till(root=fork(self.root, root))

    def shown(self, text: str) -> str:
        """A message with the folder of this till as `~`."""
        return text.replace(str(self.root.resolve()), "~")


def make_till(root: Path, shop: Path) -> Till:
    """The project as its owner wrote it, over a copy of a dbt project that dbt has parsed."""
    shutil.copytree(shop, root / "shop", ignore=shutil.ignore_patterns("*.duckdb", "logs"))
    shutil.copytree(SOURCE, root / "till", ignore=shutil.ignore_patterns(".local_defs_state"))
    make_quick_home(root)
    return Till(root=root)


@contextmanager
def opened(till: Till) -> Iterator[ComponentTree]:
    """The project's components. Its modules are importable until the block ends."""
    source = str(till.project / "src")
    sys.path.insert(0, source)
    try:
        yield ComponentTree.for_project(till.project)
    finally:
        sys.path.remove(source)
        for name in [name for name in sys.modules if name.split(".")[0] == "till"]:
            del sys.modules[name]


def build_defs(tree: ComponentTree) -> dg.Definitions:
    """All that the project defines. `tree.build_defs()` adds schemas of every component that is installed, which takes as long
    again.
    """
    return tree.build_defs(tree.defs_module_path)


def load_specs(till: Till) -> dict[str, dg.AssetSpec]:
    """By key, every asset spec of the project, also those of assets that are only named as dependencies."""
    with opened(till) as tree:
        specs = build_defs(tree).resolve_asset_graph().asset_nodes
        return {node.key.to_user_string(): node.to_asset_spec() for node in specs}


def refresh_dbt_state(till: Till) -> None:
    """What `dg dev` and `dg utils refresh-defs-state` do: dbt parses, and its project is copied into the Dagster project."""
    with opened(till) as tree:
        component = tree.load_component("shop", DbtProjectComponent)
        asyncio.run(component.refresh_state(till.project))


def error_at_load(till: Till) -> BaseException:
    """What the error is about with which the project does not load."""
    with opened(till) as tree, pytest.raises(ComponentTreeException) as told:
        tree.build_defs()
    assert told.value.__cause__ is not None
    return told.value.__cause__


def run(
    till: Till, *assets: str, instance: dg.DagsterInstance | None = None
) -> dg.ExecuteInProcessResult:
    """Materializes assets by key, all below a prefix with `prefix/*`, everything where none is named."""
    with opened(till) as tree:
        job = build_defs(tree).resolve_implicit_global_asset_job_def()
        selected = [
            key
            for key in job.asset_layer.executable_asset_keys
            for name in assets
            if key.to_user_string() == name or name == f"{key.path[0]}/*"
        ]
        opened_instance = instance or till.instance()
        try:
            return job.execute_in_process(
                instance=opened_instance, asset_selection=selected or None, raise_on_error=False
            )
        finally:
            if instance is None:
                opened_instance.dispose()


def failure_of(result: dg.ExecuteInProcessResult, step: str) -> str:
    """What the `Failure` says with which a step ended, its hint in a second line."""
    assert not result.success
    [event] = [event for event in result.all_events if event.is_failure and event.step_key == step]
    told = event.step_failure_data.user_failure_data
    assert told is not None, event.step_failure_data.error
    return str(told.description)


def edit(path: Path, change: Callable[[str], str]) -> None:
    """Changes a text file, and leaves its time as it was."""
    stat = path.stat()
    before = path.read_text()
    after = change(before)
    assert after != before, f"{path} does not hold what is to be changed"
    path.write_text(after)
    os.utime(path, (stat.st_atime, stat.st_mtime))


def edit_json(path: Path, change: Callable[[Any], None]) -> None:
    """Changes a JSON file in place."""

    def changed(text: str) -> str:
        parsed = json.loads(text)
        change(parsed)
        return json.dumps(parsed)

    edit(path, changed)
