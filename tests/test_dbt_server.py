"""The command `dbt` of the tests is dbt's own, in a process that begins, ends and is stopped as any other."""

import os
import shutil
import signal
import subprocess
from pathlib import Path

import pytest

NEVER_ENDS = "select count(*) from range(1000000000000) a, range(1000000000000) b"


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("project")
    (folder / "models").mkdir()
    (folder / "models" / "one.sql").write_text("select 1 as one")
    (folder / "dbt_project.yml").write_text("name: small\nprofile: small\n")
    (folder / "profiles.yml").write_text(
        "small: {target: dev, outputs: {dev: {type: duckdb, threads: 1}}}\n"
    )
    return folder


def begin(project: Path, *arguments: str, **environment: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        ["dbt", *arguments],
        cwd=project,
        env=os.environ | environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def test_it_has_the_folder_the_environment_and_the_streams_of_its_caller(project: Path) -> None:
    dbt = begin(project, "show", "--inline", "select '{{ env_var('FRUIT') }}' as f", FRUIT="pear")
    out, err = dbt.communicate()
    assert dbt.returncode == 0, out + err
    assert "| pear |" in out
    assert err == ""
    assert (project / "target" / "manifest.json").is_file()


def test_it_ends_with_the_code_of_dbt_and_says_what_dbt_says(project: Path) -> None:
    misspelt = begin(project, "bild")
    out, err = misspelt.communicate()
    assert (misspelt.returncode, out) == (2, "")
    assert "No such command 'bild'" in err
    failed = begin(project, "show", "--inline", "select no_such_column")
    out, _ = failed.communicate()
    assert failed.returncode == 2
    assert "no_such_column" in out


@pytest.mark.parametrize(
    ("number", "code"),
    [(signal.SIGINT, 2), (signal.SIGTERM, -signal.SIGTERM), (signal.SIGKILL, -signal.SIGKILL)],
)
def test_a_signal_ends_it(project: Path, number: signal.Signals, code: int) -> None:
    with begin(project, "show", "--inline", NEVER_ENDS) as dbt:
        assert dbt.stdout
        assert any("Concurrency" in line for line in dbt.stdout)
        dbt.send_signal(number)
        dbt.stdout.read()  # ends when no process has it open
        assert dbt.wait() == code


def test_it_tells_its_version_as_dagster_reads_it(project: Path) -> None:
    from importlib.metadata import version

    out, _ = begin(project, "--version").communicate()
    assert out == f"installed: {version('dbt-core')}\n"


def test_it_is_the_one_that_is_found() -> None:
    found = shutil.which("dbt")
    assert found
    assert "dbt_client" in Path(found).read_text()
