"""The components in somebody else's project: what they add, what they leave alone, and what they say when something is wrong."""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import dagster as dg
import duckdb
import pytest
import yaml
from dagster._core.definitions.asset_checks.asset_check_evaluation import (
    AssetCheckEvaluationTargetMaterializationData,
)
from dagster.components.core.component_tree import ComponentTreeException
from dagster.components.testing.utils import DefsFolderSandbox, create_defs_folder_sandbox
from pydantic import ValidationError

from agent_resources.metrics_resource import ReadSettings, SealingSettings
from orchestration_assets.components import AgentComponent, SemanticMetricsComponent
from orchestration_assets.dbt_project import load_dbt_assets, locate_warehouse
from orchestration_assets.model_states import read_model_states
from orchestration_assets.openlineage_settings import OpenLineageSettings
from semantic.dbt_manifest import load_catalog
from semantic.errors import WarehouseUnavailable
from semantic.open_snapshot import QueryLimits
from semantic.snapshot_record import State
from tests.orchestration_assets.till import (
    Till,
    build_defs,
    edit,
    edit_json,
    error_at_load,
    failure_of,
    load_specs,
    make_till,
    opened,
    refresh_dbt_state,
    run,
)
from tests.semantic.shop import build_shop

pytestmark = [
    # Dagster on itself, when it loads a folder of components.
    pytest.mark.filterwarnings("ignore:.parse_obj_as. is deprecated:DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::dagster_shared.utils.warnings.PreviewWarning"),
    pytest.mark.filterwarnings("ignore::dagster_shared.utils.warnings.BetaWarning"),
]
GOVERNED = "type: orchestration_assets.components.SemanticMetricsComponent\nattributes:\n  policy: policy.yaml\n"
OWN_DBT_ASSETS = """
from pathlib import Path

import dagster as dg
from dagster_dbt import DagsterDbtTranslator, DbtCliResource, DbtProject, dbt_assets

from till.naming import Acme

shop = DbtProject(project_dir=Path(__file__).parents[4] / "shop")


@dbt_assets(manifest=shop.manifest_path, project=shop, dagster_dbt_translator=Acme())
def acme_shop(context: dg.AssetExecutionContext, dbt: DbtCliResource):
    yield from dbt.cli(["build"], context=context).stream()


@dg.definitions
def acme() -> dg.Definitions:
    return dg.Definitions(assets=[acme_shop], resources={"dbt": DbtCliResource(project_dir=shop)})
"""
OWN_TRANSLATOR = """
from dagster import AssetKey
from dagster_dbt import DagsterDbtTranslator


class Acme(DagsterDbtTranslator):
    made = 0

    def __init__(self):
        super().__init__()
        Acme.made += 1

    def get_asset_spec(self, manifest, unique_id, project):
        spec = super().get_asset_spec(manifest, unique_id, project)
        return spec.replace_attributes(key=AssetKey(["acme", "eu", spec.key.path[-1]]), group_name="acme")


acme = Acme()
"""


@pytest.fixture(autouse=True)
def _environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """No profile from outside."""
    for name in ("DBT_PROFILE", "DBT_TARGET", "DBT_PROFILES_DIR", "CORNER_SHOP_WAREHOUSE"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture(scope="module")
def parsed(shared_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Till:
    """The till over a dbt project that is parsed, and never ran in Dagster."""
    shop = build_shop(shared_folder / "shop")
    return make_till(tmp_path_factory.mktemp("parsed"), shop.folder)


@pytest.fixture(scope="module")
def built(parsed: Till, tmp_path_factory: pytest.TempPathFactory) -> Till:
    """The till after `dg dev` copied the dbt project, Dagster built it, and a first snapshot was published."""
    till = parsed.copy(tmp_path_factory.mktemp("built") / "root")
    refresh_dbt_state(till)
    assert run(till, "till/*", "governed_snapshot").success
    assert till.published == ["CURRENT", "v000001"]
    return till


@pytest.fixture
def till(parsed: Till, tmp_path: Path) -> Till:
    return parsed.copy(tmp_path / "root")


@pytest.fixture
def running(built: Till, tmp_path: Path) -> Till:
    return built.copy(tmp_path / "root")


def use_dbt_project(till: Till, *more: str) -> None:
    """A project without DbtProjectComponent: our component is told where the dbt project is."""
    shutil.rmtree(till.defs / "shop")
    lines = ['dbt_project: "{{ context.project_root }}/../shop"', *more]
    (till.defs / "governed" / "defs.yaml").write_text(
        GOVERNED + "".join(f"  {line}\n" for line in lines)
    )


def use_dbt_assets(till: Till) -> None:
    """A project with @dbt_assets and a translator of its own."""
    use_dbt_project(till, "dbt_translator: till.naming:Acme")
    (till.package / "naming.py").write_text(OWN_TRANSLATOR)
    (till.defs / "transform.py").write_text(OWN_DBT_ASSETS)


@contextmanager
def held_by_another_process(warehouse: Path) -> Iterator[None]:
    """Somebody has the warehouse open for writing: a notebook, a DuckDB shell, dbt itself."""
    holds = "import duckdb, sys; held = duckdb.connect(sys.argv[1]); print('held', flush=True); sys.stdin.read()"
    with subprocess.Popen(
        [sys.executable, "-c", holds, str(warehouse)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as holder:
        assert holder.stdout
        assert holder.stdout.readline() == "held\n"
        yield
        holder.communicate()


def without_ours(till: Till, to: Path) -> Till:
    """The same project before our components were added."""
    copy = till.copy(to)
    shutil.rmtree(copy.defs / "governed")
    shutil.rmtree(copy.defs / "agents")
    return copy


# --- what is added, and what is left alone --------------------------------------------------------------------------


def test_the_metrics_lie_below_the_dbt_assets_of_a_component(till: Till) -> None:
    specs = load_specs(till)

    assert {dep.asset_key.to_user_string() for dep in specs["governed_snapshot"].deps} == {
        "till/orders",
        "till/customers",
        "till/days",
    }
    assert {dep.asset_key.to_user_string() for dep in specs["metrics/orders"].deps} == {
        "governed_snapshot"
    }
    assert {dep.asset_key.to_user_string() for dep in specs["agents/cashier"].deps} == {
        "metrics/orders",
        "metrics/revenue",
    }


@pytest.mark.parametrize("arrange", [None, use_dbt_assets])
def test_what_was_there_stays_as_it_was(
    till: Till, tmp_path: Path, arrange: Callable[[Till], None] | None
) -> None:
    if arrange:
        arrange(till)
    before = load_specs(without_ours(till, tmp_path / "before"))
    after = load_specs(till)

    assert len(before) == 5
    added = {key for key in after if key not in before}
    assert {key.split("/")[0] for key in added} == {
        "governed_snapshot",
        "metrics",
        "access_report",
        "agents",
    }
    for key, spec in before.items():
        assert (spec.deps, spec.group_name, spec.code_version, spec.owners, spec.kinds) == (
            after[key].deps,
            after[key].group_name,
            after[key].code_version,
            after[key].owners,
            after[key].kinds,
        )


@pytest.mark.parametrize("named", ["till.naming:Acme", "till.naming:acme"])
def test_a_translator_of_ones_own_is_respected(till: Till, named: str) -> None:
    use_dbt_assets(till)
    edit(
        till.defs / "governed" / "defs.yaml",
        lambda text: re.sub("dbt_translator: .*", f"dbt_translator: '{named}'", text),
    )

    specs = load_specs(till)

    assert {dep.asset_key.to_user_string() for dep in specs["governed_snapshot"].deps} == {
        "acme/eu/orders",
        "acme/eu/customers",
        "acme/eu/days",
    }


def test_a_dbt_project_is_named_as_its_component_names_it(till: Till) -> None:
    use_dbt_project(till)
    (till.defs / "governed" / "defs.yaml").write_text(
        GOVERNED + "  dbt_project: {project_dir: ../../../../../shop, target: dev}\n"
    )

    specs = load_specs(till)

    assert {dep.asset_key.to_user_string() for dep in specs["governed_snapshot"].deps} == {
        "analytics/orders",
        "analytics/customers",
        "analytics/days",
    }


def test_a_project_is_read_once_for_its_metrics_and_all_its_agents(till: Till) -> None:
    use_dbt_assets(till)
    shutil.copytree(till.defs / "agents", till.defs / "more" / "agents")
    edit(
        till.defs / "more" / "agents" / "cashier.yaml",
        lambda text: text.replace("name: cashier", "name: night_cashier"),
    )

    with opened(till) as tree:
        definitions = tree.build_defs()
        made = sys.modules["till.naming"].Acme.made
        sensors = {sensor.name for sensor in definitions.get_repository_def().sensor_defs}

    assert made == 3  # the module's own, that of @dbt_assets, and one for all of ours
    assert sensors == {
        "governed_snapshot_on_built_models",
        "agents_on_changed_values",
        "more_agents_on_changed_values",
    }


def test_a_project_loads_while_its_environment_variables_are_unset(till: Till) -> None:
    needs_variable = "{{ env_var('WAREHOUSE_OF_PRODUCTION') }}"
    edit(
        till.shop / "profiles.yml",
        lambda text: re.sub(r"path: .*", f'path: "{needs_variable}"', text),
    )
    edit(
        till.defs / "agents" / "defs.yaml",
        lambda text: (
            text
            + "  chat_model: openai:gpt-5-mini\n  api_key_env: KEY_OF_PRODUCTION\n  keys: at_run\n"
        ),
    )

    assert "agents/cashier" in load_specs(till)
    assert not till.state.exists()


# --- where the warehouse is -----------------------------------------------------------------------------------------


def test_the_warehouse_is_looked_for_where_dbt_really_ran(running: Till) -> None:
    assert running.warehouse.is_file()
    assert not list(running.shop.glob("*.duckdb"))

    assert run(running, "governed_snapshot").success
    assert running.published == ["CURRENT", "v000001", "v000002"]


@pytest.mark.soak
def test_the_warehouse_and_the_place_of_the_record_can_be_named(running: Till) -> None:
    shutil.move(running.warehouse, running.root / "elsewhere.duckdb")
    edit(
        running.defs / "governed" / "defs.yaml",
        lambda text: (
            text
            + "  warehouse: ../../../../../elsewhere.duckdb\n"
            + '  state_dir: "{{ context.project_root }}/../record"\n'
        ),
    )

    assert run(running, "governed_snapshot").success
    assert (running.root / "record" / "snapshots" / "CURRENT").read_text() == "v000001"
    assert (running.root / "record" / "ledger.db").is_file()


@pytest.mark.soak
def test_what_reads_may_use_and_what_is_kept_is_set_in_yaml(running: Till) -> None:
    edit(
        running.defs / "governed" / "defs.yaml",
        lambda text: (
            text
            + "  reading: {query_seconds: 0.5, query_memory_mb: 256, kept_snapshots: 1, cache_answers: true}\n"
            "  sealing: {records: 1, seconds: 3600}\n"
        ),
    )
    with opened(running) as tree, running.instance() as instance:
        resource = build_defs(tree).resources["governed_metrics"]
        with resource.open(instance) as first, resource.open(instance) as second:
            assert first.snapshots.limits == QueryLimits(seconds=0.5, memory_mb=256)
            assert first.results is not None
            assert first.results is second.results
            before = first.ledger.covered()
            first.ledger.publish_policy("another", "text", by="ana", run_id=None)
            assert first.ledger.covered() > before

    assert run(running, "governed_snapshot").success
    assert running.published == ["CURRENT", "v000002"]


def test_where_openlineage_events_go_is_set_in_yaml(till: Till) -> None:
    """A file counts from the file that names it, as every path does."""
    with opened(till) as tree:
        assert not any(it.name == "openlineage_events" for it in build_defs(tree).sensors or ())
    edit(
        till.defs / "governed" / "defs.yaml",
        lambda text: text + "  openlineage: {to: events.jsonl, every_seconds: 60}\n",
    )
    with opened(till) as tree:
        [sensor] = [it for it in build_defs(tree).sensors or () if it.name == "openlineage_events"]
    assert isinstance(sensor, dg.SensorDefinition)
    assert sensor.minimum_interval_seconds == 60
    settings = OpenLineageSettings(to="events.jsonl")
    with pytest.raises(ValidationError, match=r"too\n.*not permitted"):
        OpenLineageSettings(to=settings.to, too="far")  # type: ignore[call-arg]


@pytest.mark.parametrize(
    ("written", "minutes"), [("true", 5), ("{at_most_every_minutes: 10}", 10), ("false", None)]
)
def test_whether_dagster_tells_of_itself_is_set_in_yaml(
    till: Till, written: str, minutes: int | None
) -> None:
    defs = till.defs / "governed" / "defs.yaml"
    edit(
        defs,
        lambda text: (
            text + f"  platform_metrics: {written}\n  metrics_by_day: {{start: 2024-03-01}}\n"
        ),
    )
    with opened(till) as tree:
        built = build_defs(tree)
        sensors = {it.name for it in built.sensors or ()}
        keys = {spec.key for spec in built.resolve_all_asset_specs()}
        component = tree.get_all_components(SemanticMetricsComponent)[0]
        found = component._platform
    assert ("platform_health_on_ended_runs" in sensors) == (minutes is not None)
    assert (dg.AssetKey(["metrics", "dagster_failures"]) in keys) == (minutes is not None)
    assert dg.AssetKey("metrics_by_day") in keys
    assert (found.at_most_every_minutes if found else None) == minutes


def test_a_setting_that_there_is_not_is_refused() -> None:
    with pytest.raises(ValidationError, match=r"query_second\n.*not permitted"):
        ReadSettings(query_second=1)  # type: ignore[call-arg]
    with pytest.raises(ValidationError, match=r"records\n.*greater than or equal to 1"):
        SealingSettings(records=0)


PROFILES = """
corner_shop:
  target: "{{ env_var('WHICH', 'dev') }}"
  outputs:
    dev: {type: duckdb, path: "{{ env_var('WHERE', 'shop.duckdb') }}"}
    prod: {type: duckdb, path: "{{ env_var('NOT_SET_HERE') }}", threads: "{{ env_var('N', '4') | as_number }}"}
    home: {type: duckdb, path: ~/shop.duckdb}
    cloud: {type: duckdb, path: "md:shop"}
    memory: {type: duckdb}
    other: {type: postgres, host: "{{ env_var('NOT_SET_EITHER') }}"}
another:
  target: dev
  outputs: {dev: {type: duckdb, path: /data/another.duckdb}}
"""
PROJECT = """
name: shop
profile: corner_shop
models: {+enabled: "{{ target.name == 'prod' }}", +schema: "{{ var('schema') }}"}
"""


@pytest.fixture
def profiled(tmp_path: Path) -> Path:
    (tmp_path / "profiles.yml").write_text(PROFILES)
    (tmp_path / "dbt_project.yml").write_text(PROJECT)
    return tmp_path


def test_only_the_values_that_are_used_are_filled_in(profiled: Path) -> None:
    assert locate_warehouse(profiled) == profiled / "shop.duckdb"


@pytest.mark.parametrize(
    ("asked", "variables", "expected"),
    [
        ({}, {"WHERE": "/data/x.duckdb"}, "/data/x.duckdb"),
        ({"target": "home"}, {}, "~/shop.duckdb"),
        ({"profile": "another"}, {}, "/data/another.duckdb"),
        ({}, {"DBT_PROFILE": "another"}, "/data/another.duckdb"),
        ({"target": "dev"}, {"DBT_TARGET": "other", "WHERE": "/data/x.duckdb"}, "/data/x.duckdb"),
        ({}, {"WHICH": "home"}, "~/shop.duckdb"),
    ],
)
def test_a_profile_is_read_as_dbt_reads_it(
    profiled: Path,
    monkeypatch: pytest.MonkeyPatch,
    asked: dict[str, str],
    variables: dict[str, str],
    expected: str,
) -> None:
    for name, value in variables.items():
        monkeypatch.setenv(name, value)

    assert locate_warehouse(profiled, **asked) == Path(expected).expanduser()  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        ({"target": "prod"}, "needs the environment variable NOT_SET_HERE\nhint: set NOT_SET_HERE"),
        ({"target": "cloud"}, "keeps its data in no file of its own\nhint: give it a `path`"),
        ({"target": "memory"}, "keeps its data in no file of its own\nhint: give it a `path`"),
        ({"target": "other"}, "is of type 'postgres'; governed reads run on DuckDB for now\nhint:"),
        ({"target": "staging"}, "the profile 'corner_shop' has no target 'staging'"),
        ({"profile": "cornershop"}, "profiles.yml has no profile 'cornershop'"),
    ],
)
def test_a_profile_that_leads_to_no_file_is_said(
    profiled: Path, asked: dict[str, str], expected: str
) -> None:
    with pytest.raises(WarehouseUnavailable, match=re.escape(expected)):
        locate_warehouse(profiled, **asked)  # type: ignore[arg-type]


# --- wrong at definition time ---------------------------------------------------------------------------------------


def no_artifacts(till: Till) -> None:
    use_dbt_project(till)
    shutil.rmtree(till.shop / "target")


def broken_artifact(till: Till) -> None:
    use_dbt_project(till)
    edit(till.shop / "target" / "semantic_manifest.json", lambda text: text[:-20])


def stale_artifacts(till: Till) -> None:
    use_dbt_project(till)
    later = (till.shop / "target" / "semantic_manifest.json").stat().st_mtime + 3600
    os.utime(till.shop / "models" / "semantics.yml", (later, later))


def no_semantic_models(till: Till) -> None:
    def drop(manifest: dict[str, object]) -> None:
        manifest.update(semantic_models=[], metrics=[])

    edit_json(till.shop / "target" / "semantic_manifest.json", drop)


def another_warehouse(till: Till) -> None:
    def port(manifest: dict[str, dict[str, object]]) -> None:
        manifest["metadata"]["adapter_type"] = "postgres"

    edit_json(till.shop / "target" / "manifest.json", port)


def no_dbt_project(till: Till) -> None:
    use_dbt_project(till)
    shutil.rmtree(till.shop)


def unknown_metric_in_a_grant(till: Till) -> None:
    edit(till.policy, lambda text: text.replace("revenue]", "revenu]"))


def policy_that_does_not_parse(till: Till) -> None:
    edit(till.policy, lambda text: text.replace("revenue]", "revenue"))


def policy_with_an_unknown_key(till: Till) -> None:
    edit(till.policy, lambda text: text.replace("readers: [cashier]", "reader: [cashier]"))


def no_policy(till: Till) -> None:
    till.policy.unlink()


def unknown_metric_of_an_agent(till: Till) -> None:
    edit(
        till.defs / "agents" / "cashier.yaml",
        lambda text: text.replace("revenue, customers]", "revenue, custmers]"),
    )


def no_prompt(till: Till) -> None:
    (till.defs / "agents" / "cashier.md").unlink()


def no_agent(till: Till) -> None:
    (till.defs / "agents" / "cashier.yaml").unlink()


def wrong_dbt_component(till: Till) -> None:
    edit(
        till.defs / "governed" / "defs.yaml",
        lambda text: text.replace("dbt_component: shop", "dbt_component: shops"),
    )


def another_kind_of_component(till: Till) -> None:
    edit(
        till.defs / "agents" / "defs.yaml",
        lambda text: text.replace("metrics: governed", "metrics: shop"),
    )


def two_dbt_projects(till: Till) -> None:
    edit(till.defs / "governed" / "defs.yaml", lambda text: text + "  dbt_project: ../shop\n")


def two_translators(till: Till) -> None:
    edit(
        till.defs / "governed" / "defs.yaml",
        lambda text: text + "  dbt_translator: till.naming:Acme\n",
    )


def two_of_ours(till: Till) -> None:
    shutil.copytree(till.defs / "governed", till.defs / "more" / "governed")


def unknown_translator(till: Till) -> None:
    use_dbt_project(till, "dbt_translator: till.naming:Acmee")
    (till.package / "naming.py").write_text(OWN_TRANSLATOR)


def no_translator(till: Till) -> None:
    use_dbt_project(till, "dbt_translator: pathlib:Path")


WRONG_AT_LOAD = {
    no_artifacts: "There is no dbt artifact ~/shop/target/semantic_manifest.json\n"
    "hint: run `dbt parse` (or `dbt build`) in the dbt project",
    broken_artifact: "~/shop/target/semantic_manifest.json is not JSON: ",
    stale_artifacts: "~/shop/target/semantic_manifest.json is older than ~/shop/models/semantics.yml\n"
    "hint: run `dbt parse` so that the metrics are the ones this file declares",
    no_semantic_models: "The dbt project of ~/shop/target/semantic_manifest.json declares no semantic models\n"
    "hint: add semantic_models: and metrics: in YAML beside its models, then run `dbt parse`",
    another_warehouse: "This dbt project runs on 'postgres'; governed reads run on DuckDB for now\n"
    "hint: point the component at a dbt target of type duckdb",
    no_dbt_project: "dbt_project: project_dir ~/till/../shop does not exist.\n"
    "hint: name the folder with dbt_project.yml",
    unknown_metric_in_a_grant: "~/till/src/till/defs/governed/policy.yaml: "
    "rule 'the cashier reads orders and money' names an unknown metric 'revenu'\n"
    "hint: did you mean 'revenue'?",
    policy_that_does_not_parse: "~/till/src/till/defs/governed/policy.yaml:9: expected ',' or ']'",
    policy_with_an_unknown_key: "~/till/src/till/defs/governed/policy.yaml:7: unknown key 'reader'\n"
    "hint: did you mean 'readers'?",
    no_policy: "There is no policy file ~/till/src/till/defs/governed/policy.yaml\n"
    "hint: nothing is granted without one; `dg scaffold defs` writes a first one beside defs.yaml",
    unknown_metric_of_an_agent: "~/till/src/till/defs/agents/cashier.yaml:6: asks for an unknown metric 'custmers'\n"
    "hint: did you mean 'customers'?",
    no_prompt: "~/till/src/till/defs/agents/cashier.yaml:5: cannot read the prompt ~/till/src/till/defs/agents/cashier.md\n"
    "hint: write the prompt in a Markdown file beside the agent's YAML",
    no_agent: "~/till/src/till/defs/agents holds no agent\n"
    "hint: put one YAML file per agent in it, with a prompt beside it",
    wrong_dbt_component: "There is no folder 'shops' in ~/till/src/till/defs\nhint: did you mean 'shop'?",
    another_kind_of_component: "The folder 'shop' in ~/till/src/till/defs is not that of one SemanticMetricsComponent\n"
    "hint: name the folder whose defs.yaml holds a SemanticMetricsComponent and nothing else",
    two_dbt_projects: "SemanticMetricsComponent takes either dbt_component or dbt_project\n"
    "hint: dbt_component names the folder in defs/ of a DbtProjectComponent, dbt_project the folder of a dbt project",
    two_translators: "dbt_translator goes with dbt_project; a DbtProjectComponent has a translation of its own\n"
    "hint: remove dbt_translator",
    two_of_ours: "This project has 2 SemanticMetricsComponents, and their assets would have the same keys\n"
    "hint: keep one; a second dbt project goes into a Dagster project of its own",
    unknown_translator: "Cannot make the dbt translator 'till.naming:Acmee': "
    "module 'till.naming' has no attribute 'Acmee'\n"
    "hint: write it as package.module:Class, a class without arguments, or package.module:translator",
    no_translator: "'pathlib:Path' is not a DagsterDbtTranslator\n"
    "hint: name the one that your @dbt_assets uses",
}
PARSERS_OWN_WORDS = (broken_artifact, policy_that_does_not_parse)


@pytest.mark.parametrize("spoil", WRONG_AT_LOAD, ids=lambda spoil: spoil.__name__)
def test_what_is_wrong_at_load_is_one_short_message(
    till: Till, spoil: Callable[[Till], None]
) -> None:
    spoil(till)

    error = error_at_load(till)

    assert isinstance(error, dg.DagsterInvalidDefinitionError)
    told = till.shown(str(error))
    expected = WRONG_AT_LOAD[spoil]
    assert told.startswith(expected) if spoil in PARSERS_OWN_WORDS else told == expected
    assert len(told.splitlines()) <= 2
    assert error.__cause__ is None
    assert error.__suppress_context__
    assert not till.state.exists()


def test_what_is_wrong_with_the_metrics_is_told_there_and_not_at_the_agents(till: Till) -> None:
    unknown_metric_in_a_grant(till)

    with opened(till) as tree, pytest.raises(ComponentTreeException) as told:
        tree.build_defs()

    assert str(told.value).startswith("Error while building definitions for governed[0]:")


@pytest.mark.soak
def test_in_development_a_project_that_dbt_cannot_parse_is_said(
    till: Till, monkeypatch: pytest.MonkeyPatch
) -> None:
    use_dbt_project(till)
    edit(till.shop / "profiles.yml", lambda text: text.replace(", 'shop.duckdb')", ")"))
    monkeypatch.setenv("DAGSTER_IS_DEV_CLI", "1")

    error = error_at_load(till)

    assert till.shown(str(error)) == (
        "dbt cannot parse the project in ~/till/../shop\n"
        "hint: run `dbt parse` there, and mend what it says"
    )


# --- wrong at run time ----------------------------------------------------------------------------------------------


def no_warehouse(till: Till) -> None:
    till.warehouse.unlink()


def no_duckdb_file(till: Till) -> None:
    till.warehouse.write_bytes(b"not a database" * 1000)


def no_relation(till: Till) -> None:
    with duckdb.connect(str(till.warehouse)) as connection:
        connection.execute("DROP TABLE till_analytics.orders")


def unset_variable(till: Till) -> None:
    edit(till.dbt_copy / "profiles.yml", lambda text: text.replace(", 'shop.duckdb')", ")"))


def target_of_another_type(till: Till) -> None:
    edit(till.dbt_copy / "profiles.yml", lambda text: text.replace("duckdb\n", "snowflake\n", 1))


COPY = "~/till/src/till/defs/.local_defs_state/DbtProjectComponent__shop__/project"
WRONG_IN_A_RUN = {
    no_warehouse: f"There is no DuckDB warehouse at {COPY}/shop.duckdb\n"
    "hint: materialize the dbt models. DbtProjectComponent renews this copy of the dbt project, "
    "and drops a warehouse that lies in it: an absolute `path` in profiles.yml keeps the data",
    no_duckdb_file: f"{COPY}/shop.duckdb cannot be opened as a DuckDB file\nhint: ",
    no_relation: 'The warehouse has no "shop"."till_analytics"."orders"\nhint: ',
    unset_variable: "The dbt profile needs the environment variable CORNER_SHOP_WAREHOUSE\n"
    "hint: set CORNER_SHOP_WAREHOUSE",
    target_of_another_type: f"{COPY}/profiles.yml: the target 'dev' is of type 'snowflake'; "
    "governed reads run on DuckDB for now\nhint: point it at a target of type duckdb",
}


@pytest.mark.parametrize(
    "spoil",
    [
        pytest.param(spoil, marks=[] if spoil is no_warehouse else pytest.mark.soak)
        for spoil in WRONG_IN_A_RUN
    ],
    ids=lambda spoil: spoil.__name__,
)
def test_what_is_wrong_in_a_run_is_one_short_message_and_the_last_good_snapshot_stays(
    running: Till, spoil: Callable[[Till], None]
) -> None:
    spoil(running)

    result = run(running, "governed_snapshot")

    told = running.shown(failure_of(result, "governed_snapshot"))
    assert told.startswith(WRONG_IN_A_RUN[spoil])
    assert len(told.splitlines()) == 2
    assert running.published == ["CURRENT", "v000001"]
    assert (running.state / "snapshots" / "CURRENT").read_text() == "v000001"


@pytest.mark.soak
def test_a_warehouse_that_another_process_holds_is_said(running: Till) -> None:
    with held_by_another_process(running.warehouse):
        result = run(running, "governed_snapshot")

    assert running.shown(failure_of(result, "governed_snapshot")) == (
        f"The DuckDB warehouse {COPY}/shop.duckdb is locked by another process\n"
        "hint: wait until dbt is done, or close the program that holds it; then materialize again"
    )
    assert running.published == ["CURRENT", "v000001"]


@pytest.mark.soak
def test_a_first_run_that_fails_leaves_no_snapshot(running: Till) -> None:
    shutil.rmtree(running.state)
    no_warehouse(running)

    result = run(running, "governed_snapshot")

    assert failure_of(result, "governed_snapshot").startswith("There is no DuckDB warehouse at")
    assert running.published == []


@pytest.mark.soak
def test_a_policy_that_is_spoilt_while_dagster_runs_is_one_message(running: Till) -> None:
    with opened(running) as tree, running.instance() as instance:
        job = build_defs(tree).resolve_implicit_global_asset_job_def()
        policy_that_does_not_parse(running)
        result = job.execute_in_process(
            instance=instance,
            asset_selection=[dg.AssetKey("governed_snapshot")],
            raise_on_error=False,
        )

    told = running.shown(failure_of(result, "governed_snapshot"))
    assert told.startswith("~/till/src/till/defs/governed/policy.yaml:9: expected ',' or ']'")
    assert len(told.splitlines()) <= 2
    assert running.published == ["CURRENT", "v000001"]


def test_a_metric_that_does_not_compile_is_closed_and_the_others_go_on(running: Till) -> None:
    """dbt parses a filter by a dimension that is not there; only MetricFlow finds out."""

    def misspell(manifest: dict[str, list[dict[str, object]]]) -> None:
        [metric] = [item for item in manifest["metrics"] if item["name"] == "returned_orders"]
        template = "{{ Dimension('order__stats') }} = 'returned'"
        metric["filter"] = {"where_filters": [{"where_sql_template": template}]}

    edit_json(running.dbt_copy / "target" / "semantic_manifest.json", misspell)

    result = run(running, "governed_snapshot", "metrics/*")

    assert result.success
    assert running.published == ["CURRENT", "v000001", "v000002"]
    made = {
        event.materialization.asset_key.path[-1]
        for event in result.get_asset_materialization_events()
    }
    closed = {
        check.asset_key.path[-1]: str(check.metadata["reason"].value)
        for check in result.get_asset_check_evaluations()
        if not check.passed
    }
    assert set(closed) == {"returned_orders", "return_rate"}
    assert not made & set(closed)
    assert {"orders", "revenue", "customers"} <= made
    for name, reason in closed.items():
        assert name in reason
        assert len(reason.splitlines()) <= 2


# --- dbt tests that Dagster does not show as checks -------------------------------------------------------------------


@pytest.mark.soak
def test_dbt_tests_close_the_gate_also_where_a_project_has_no_asset_checks(till: Till) -> None:
    """One test of the orders fails, one warns; those of the customers pass. All are reported as observations only."""
    edit(
        till.defs / "shop" / "defs.yaml",
        lambda text: text + "  translation_settings: {enable_asset_checks: false}\n",
    )
    edit(till.shop / "seeds" / "raw_orders.csv", lambda text: text + "9,3,2024-03-05,open,20\n")
    edit(
        till.shop / "models" / "models.yml",
        lambda text: text.replace(
            "data_tests: [unique]\n",
            "data_tests: [{unique: {config: {error_if: '>5'}}}]\n      - name: region\n"
            "        data_tests: [{not_null: {config: {warn_if: '>0', error_if: '>5'}}}]\n",
        ),
    )
    refresh_dbt_state(till)

    assert not run(till, "till/*").success
    result = run(till, "governed_snapshot", "metrics/*")

    assert result.success
    closed = {
        check.asset_key.path[-1]: str(check.metadata["reason"].value)
        for check in result.get_asset_check_evaluations()
        if not check.passed
    }
    assert "customers" not in closed
    assert closed["orders"].startswith("the dbt test unique_orders_order_id on orders failed")


def test_a_dbt_test_that_only_warns_does_not_close_the_gate(parsed: Till) -> None:
    catalog, dbt = load_catalog(parsed.shop / "target"), load_dbt_assets(parsed.shop / "target")
    with dg.DagsterInstance.ephemeral() as instance:
        for key in dbt.keys.values():
            instance.report_runless_asset_event(dg.AssetMaterialization(key))
        severities = {"unique_orders_order_id": "ERROR", "unique_customers_customer_id": "WARN"}
        for test in dbt.tests:
            assert test.check_key is not None
            made = instance.get_latest_materialization_event(test.check_key.asset_key)
            assert made is not None
            instance.report_runless_asset_event(
                dg.AssetCheckEvaluation(
                    asset_key=test.check_key.asset_key,
                    check_name=test.check_key.name,
                    passed=test.name not in severities,
                    severity=dg.AssetCheckSeverity(severities.get(test.name, "ERROR")),
                    target_materialization_data=AssetCheckEvaluationTargetMaterializationData(
                        storage_id=10**6, run_id="", timestamp=made.timestamp
                    ),
                )
            )
        states = read_model_states(instance, catalog, dbt)

    assert states["model.corner_shop.customers"].state is State.PASSING
    assert states["model.corner_shop.orders"].state is State.FAILING


# --- scaffolding ------------------------------------------------------------------------------------------------------


@pytest.fixture
def sandbox(parsed: Till) -> Iterator[DefsFolderSandbox]:
    with create_defs_folder_sandbox() as sandbox:
        shutil.copytree(parsed.shop, sandbox.project_root / "transform")
        yield sandbox


def test_scaffolded_files_load(sandbox: DefsFolderSandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "of-nobody")
    metrics = sandbox.scaffold_component(
        SemanticMetricsComponent,
        defs_path="metrics",
        scaffold_params={"dbt_project": str(sandbox.project_root / "transform")},
    )
    agents = sandbox.scaffold_component(
        AgentComponent, defs_path="agents", scaffold_params={"metric": "orders"}
    )

    assert '"{{ context.project_root }}/transform"' in (metrics / "defs.yaml").read_text().replace(
        "'", '"'
    )
    assert {path.name for path in agents.iterdir()} == {
        "defs.yaml",
        "first_agent.yaml",
        "first_agent.md",
    }
    with sandbox.build_all_defs() as definitions:
        keys = {
            key.to_user_string() for key in definitions.resolve_asset_graph().get_all_asset_keys()
        }
    assert {"governed_snapshot", "metrics/orders", "agents/first_agent"} <= keys


def test_scaffolding_again_keeps_the_policy_and_the_agents(sandbox: DefsFolderSandbox) -> None:
    for _ in range(2):
        metrics = sandbox.scaffold_component(
            SemanticMetricsComponent, defs_path="metrics", scaffold_params={"dbt_component": "dbt"}
        )
        with (metrics / "policy.yaml").open("a") as policy:
            policy.write("# mine\n")

    assert (metrics / "policy.yaml").read_text().count("# mine") == 2
    assert yaml.safe_load((metrics / "defs.yaml").read_text())["attributes"] == {
        "policy": "policy.yaml",
        "dbt_component": "dbt",
    }
