"""The platform's metrics: as dbt makes them from their project, of columns that the tables have, and beside those of a project that has other names."""

import json
from pathlib import Path

import duckdb
import pytest

from semantic.dbt_manifest import load_catalog
from semantic.errors import ManifestError
from semantic.platform.tables import NO_TABLES, PLATFORM_FILE, write_tables
from tests.dbt_build import BuiltProject
from tests.platform_manifest import FOLDER, MANIFEST, manifest_by_dbt


def test_the_manifest_is_what_dbt_makes_of_the_project(tmp_path: Path) -> None:
    assert MANIFEST.read_text() == manifest_by_dbt(tmp_path), "run `make platform-metrics`"


def test_the_tables_have_the_columns_that_their_models_declare(tmp_path: Path) -> None:
    written = write_tables(NO_TABLES, tmp_path)
    assert len(written) == 4
    with duckdb.connect(str(tmp_path / PLATFORM_FILE)) as connection:
        for relation in written:
            name = relation.split(".")[-1].strip('"')
            declared = connection.execute(
                f"DESCRIBE {(FOLDER / 'models' / f'{name}.sql').read_text()}"
            )
            columns = [row[:2] for row in declared.fetchall()]
            table = connection.execute(f"DESCRIBE {name}").fetchall()
            assert [row[:2] for row in table] == columns


def test_a_project_gets_them_only_where_it_asks(shop: BuiltProject) -> None:
    without = load_catalog(shop.target)
    asked = load_catalog(shop.target, platform_metrics=True)
    assert not without.platform_metrics
    assert asked.metrics.keys() - without.metrics.keys() == asked.platform_metrics
    assert {
        name: it for name, it in asked.metrics.items() if name in without.metrics
    } == without.metrics
    assert asked.database == without.database


@pytest.mark.parametrize(
    ("group", "what"), [("metrics", "metric"), ("semantic_models", "semantic model")]
)
def test_a_name_of_the_project_that_is_the_platforms_too_is_refused(
    shop: BuiltProject, tmp_path: Path, group: str, what: str
) -> None:
    manifest = json.loads((shop.target / "semantic_manifest.json").read_text())
    manifest[group][0]["name"] = "dagster_failures"
    (tmp_path / "semantic_manifest.json").write_text(json.dumps(manifest))
    (tmp_path / "manifest.json").write_text((shop.target / "manifest.json").read_text())
    with pytest.raises(ManifestError, match=f"has the {what} 'dagster_failures'"):
        load_catalog(tmp_path, platform_metrics=True)


def test_an_entity_of_that_name_would_join_what_does_not_belong_together(
    shop: BuiltProject, tmp_path: Path
) -> None:
    manifest = json.loads((shop.target / "semantic_manifest.json").read_text())
    model = next(it for it in manifest["semantic_models"] if it["entities"])
    model["entities"][0]["name"] = "dagster_run"
    (tmp_path / "semantic_manifest.json").write_text(json.dumps(manifest))
    (tmp_path / "manifest.json").write_text((shop.target / "manifest.json").read_text())
    with pytest.raises(ManifestError, match="has the entity 'dagster_run'"):
        load_catalog(tmp_path, platform_metrics=True)
