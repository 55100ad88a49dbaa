"""The wheel in an environment of its own, used by a project that is not ours: what a stranger gets."""

import configparser
import json
import os
import re
import shutil
import subprocess
import sys
import venv
import zipfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.orchestration_assets.till import Till, make_till
from tests.semantic.shop import SOURCE as SHOP
from tests.semantic.shop import paid, seed_customers, seed_orders

pytestmark = [pytest.mark.clients, pytest.mark.timeout(900)]
ROOT = Path(__file__).parents[2]
PACKAGES = ("semantic", "agent_resources", "orchestration_assets")
NOT_SHIPPED = ("orchestration_assets/definitions.py", "orchestration_assets/defs/")
DBT_KEYS = {
    f"till/{name}" for name in ("raw_customers", "raw_orders", "customers", "orders", "days")
}
METRICS = {
    "average_order",
    "customers",
    "first_order_rate",
    "orders",
    "paid_orders",
    "return_rate",
    "returned_orders",
    "revenue",
    "revenue_running",
}
MATERIALIZE_EVERYTHING = """
import json
import sys

import dagster as dg

from till.definitions import defs

with dg.DagsterInstance.get() as instance:
    job = defs().resolve_implicit_global_asset_job_def()
    result = job.execute_in_process(instance=instance, raise_on_error=False)
    made = {
        event.asset_key.to_user_string(): {
            name: [dict(row.data) for row in item.records] if hasattr(item, "records") else item.value
            for name, item in event.materialization.metadata.items()
            if name in ("value", "answer", "reads", "is_scripted")
        }
        for event in result.get_asset_materialization_events()
    }
    json.dump({"success": result.success, "run_id": result.run_id, "made": made}, sys.stdout)
"""


@dataclass(frozen=True, kw_only=True)
class Environment:
    """A virtual environment with the wheel and the till, and the till's folder to run commands in."""

    bin: Path
    till: Till

    def run(self, *command: str) -> str:
        """What a command of this environment prints. It sees nothing of the environment that runs the tests."""
        done = subprocess.run(
            [self.bin / command[0], *command[1:]],
            cwd=self.till.project,
            env=self._variables(),
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def json(self, *command: str) -> Any:
        return json.loads(self.run(*command))

    def asset_specs(self) -> dict[str, dict[str, Any]]:
        """By key, what `dg list defs` says of each asset."""
        return {
            asset["asset_key"]: asset
            for asset in self.json("dg", "list", "defs", "--json")["assets"]
        }

    def _variables(self) -> Mapping[str, str]:
        return {
            "PATH": f"{self.bin}{os.pathsep}/usr/bin{os.pathsep}/bin",
            "HOME": str(self.till.root),
            "DAGSTER_HOME": str(self.till.root / "home"),
            "DAGSTER_DISABLE_TELEMETRY": "1",
            "DBT_SEND_ANONYMOUS_USAGE_STATS": "false",
            "COLUMNS": "200",
            "OPENAI_API_KEY": "of-nobody",
        }


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    dist = tmp_path_factory.mktemp("dist")
    done = subprocess.run(
        [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", dist, ROOT],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    [built] = dist.glob("*.whl")
    return built


@pytest.fixture(scope="module")
def environment(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Environment]:
    """Made from the wheel and a package index, with the versions this project is tested with. Takes a minute or two."""
    root = tmp_path_factory.mktemp("stranger")
    till = make_till(root, SHOP)
    venv.create(root / "venv", with_pip=True)
    made = Environment(bin=root / "venv" / "bin", till=till)
    constraints = ("--constraint", ROOT / "constraints.txt")
    done = subprocess.run(
        [made.bin / "pip", "install", "--quiet", *constraints, wheel, "--editable", till.project],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    yield made
    shutil.rmtree(root / "venv")


@pytest.fixture(scope="module")
def materialized(environment: Environment) -> dict[str, Any]:
    """Everything in the till, materialized once without a UI."""
    printed = environment.run("python", "-c", MATERIALIZE_EVERYTHING)
    told: dict[str, Any] = json.loads(printed.splitlines()[-1])
    assert told["success"], printed
    return told


# --- what is in the wheel -------------------------------------------------------------------------------------------


def test_the_wheel_holds_the_three_packages_and_nothing_else(wheel: Path) -> None:
    shipped = {
        path.relative_to(ROOT).as_posix()
        for package in PACKAGES
        for path in (ROOT / package).rglob("*")
        if path.suffix in (".py", ".md", ".html", ".json", ".typed")
    }
    expected = {name for name in shipped if not name.startswith(NOT_SHIPPED)}

    with zipfile.ZipFile(wheel) as archive:
        names = {name for name in archive.namelist() if ".dist-info/" not in name}

    assert names == expected
    assert {f"{package}/py.typed" for package in PACKAGES} <= names
    assert any(name.startswith("agent_resources/prompts/") for name in names)
    assert not any(name.startswith(NOT_SHIPPED) or name.startswith("tests") for name in names)


def test_the_wheel_publishes_its_components_and_its_command(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        [path] = [name for name in archive.namelist() if name.endswith("entry_points.txt")]
        entry_points = configparser.ConfigParser()
        entry_points.read_string(archive.read(path).decode())
        [about] = [name for name in archive.namelist() if name.endswith("/METADATA")]
        metadata = archive.read(about).decode()

    assert dict(entry_points["dagster_dg_cli.registry_modules"]) == {
        "dagster_governed_agents": "orchestration_assets.components"
    }
    assert list(entry_points["console_scripts"]) == ["governed-agents"]
    assert re.search(r"^Name: dagster-governed-agents$", metadata, re.MULTILINE)
    assert not re.search(r"^Requires-Dist: .*(file://| @ )", metadata, re.MULTILINE)


# --- what a stranger's project gets ---------------------------------------------------------------------------------


def test_the_components_are_listed(environment: Environment) -> None:
    items = environment.json("dg", "list", "components", "--json")["items"]
    ours = {item["key"]: item["summary"] for item in items if "orchestration_assets" in item["key"]}

    assert set(ours) == {
        "orchestration_assets.components.SemanticMetricsComponent",
        "orchestration_assets.components.AgentComponent",
    }
    assert all(summary.endswith(".") for summary in ours.values())


def test_it_is_scaffolded_with_two_commands(environment: Environment, tmp_path: Path) -> None:
    """Also: the keys that were there before stay as they were."""
    defs = environment.till.defs
    for folder in ("governed", "agents"):
        shutil.move(defs / folder, tmp_path / folder)
    try:
        before = environment.asset_specs()
        components = "orchestration_assets.components"
        scaffold = ("dg", "scaffold", "defs")
        environment.run(
            *scaffold,
            f"{components}.SemanticMetricsComponent",
            "governed",
            "--dbt-component",
            "shop",
        )
        environment.run(
            *scaffold,
            f"{components}.AgentComponent",
            "agents",
            "--metrics",
            "governed",
            "--metric",
            "orders",
        )
        after = environment.asset_specs()
    finally:
        for folder in ("governed", "agents"):
            shutil.rmtree(defs / folder, ignore_errors=True)
            shutil.move(tmp_path / folder, defs / folder)

    assert set(before) == DBT_KEYS
    assert {key: after[key] for key in before} == before
    assert set(after) - set(before) == {
        "governed_snapshot",
        "access_report",
        "agents/first_agent",
        *(f"metrics/{name}" for name in METRICS),
    }


def test_the_project_checks_and_lists(environment: Environment) -> None:
    environment.run("dg", "check", "defs")
    assets = environment.asset_specs()

    assert set(assets) == {
        *DBT_KEYS,
        "governed_snapshot",
        "access_report",
        *(f"metrics/{name}" for name in METRICS),
        "agents/cashier",
    }
    assert set(assets["governed_snapshot"]["dependency_keys"]) == {
        "till/orders",
        "till/customers",
        "till/days",
    }
    assert assets["metrics/orders"]["dependency_keys"] == ["governed_snapshot"]
    assert set(assets["agents/cashier"]["dependency_keys"]) == {"metrics/orders", "metrics/revenue"}


def test_metric_assets_have_the_values_that_the_seeds_say(materialized: dict[str, Any]) -> None:
    orders, customers = seed_orders(), seed_customers()
    returned = sum(order.status == "returned" for order in orders)
    paid_orders = sum(order.status == "paid" for order in orders)
    revenue = paid(orders)
    assert revenue is not None

    values = {
        key.removeprefix("metrics/"): metadata["value"]
        for key, metadata in materialized["made"].items()
        if key.startswith("metrics/")
    }

    assert set(values) == METRICS
    assert values["orders"] == len(orders)
    assert values["customers"] == len(customers)
    assert values["paid_orders"] == paid_orders
    assert values["returned_orders"] == returned
    assert values["revenue"] == float(revenue)
    assert values["return_rate"] == pytest.approx(returned / len(orders))
    assert values["average_order"] == pytest.approx(float(revenue) / paid_orders)


def test_the_agent_has_its_reads_on_its_materialization(materialized: dict[str, Any]) -> None:
    agent = materialized["made"]["agents/cashier"]

    assert agent["answer"] == f"{len(seed_orders())} orders brought {paid(seed_orders())}."
    assert agent["is_scripted"] is True
    assert {(read["metric"], read["outcome"]) for read in agent["reads"]} == {
        ("orders", "allowed"),
        ("revenue", "allowed"),
        ("customers", "refused: not_available"),
    }


def test_the_command_lists_the_reads(
    environment: Environment, materialized: dict[str, Any]
) -> None:
    reads = environment.json("governed-agents", "reads", "--json")

    assert {(read["agent"], read["metric"], read["outcome"]) for read in reads} == {
        ("cashier", "orders", "allowed"),
        ("cashier", "revenue", "allowed"),
        ("cashier", "customers", "refused"),
    }
    assert {read["run_id"] for read in reads} == {materialized["run_id"]}
    on_the_asset = {read["read_id"] for read in materialized["made"]["agents/cashier"]["reads"]}
    assert {read["read_id"] for read in reads} == on_the_asset
