"""A dbt project as it was at a revision of its git repository: its artifacts, parsed anew."""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from semantic.errors import ManifestError

_SECONDS = 300
# What dbt brings from elsewhere, and git does not keep.
_PACKAGES = "dbt_packages"
_NOTHING: Mapping[str, str] = {}


@contextmanager
def parsed_revision(project: Path, revision: str) -> Iterator[Path]:
    """The folder with the artifacts of a dbt project at a revision, as long as the block lasts. Runs git and `dbt parse`.

    Raises `ManifestError` where there is no such revision, or the project of then cannot be parsed.
    """
    project = project.resolve()
    top = Path(
        _git(project, ["rev-parse", "--show-toplevel"], "is in no git repository").strip().decode()
    )
    where = project.relative_to(top)
    asked = ["rev-parse", "--verify", "--quiet", "--end-of-options", f"{revision}^{{commit}}"]
    commit = _git(project, asked, f"has no revision '{revision}'").strip().decode()
    with TemporaryDirectory() as folder:
        index = {"GIT_INDEX_FILE": str(Path(folder) / "index")}
        _git(top, ["read-tree", commit], f"cannot be read at '{revision}'", index)
        checked_out = Path(folder) / "files"
        _git(
            top, ["checkout-index", "--all", f"--prefix={checked_out}/"], "cannot be written", index
        )
        then = checked_out / where
        if not then.is_dir():
            raise ManifestError(f"The dbt project {project} was not there at '{revision}'")
        if (project / _PACKAGES).is_dir() and not (then / _PACKAGES).exists():
            shutil.copytree(project / _PACKAGES, then / _PACKAGES)
        yield _parsed(then, Path(folder) / "artifacts")


@contextmanager
def parsed_project(project: Path) -> Iterator[Path]:
    """The folder with the artifacts of a dbt project as its files are now, as long as the block lasts. Raises `ManifestError`."""
    with TemporaryDirectory() as folder:
        yield _parsed(project.resolve(), Path(folder))


def _parsed(project: Path, target: Path) -> Path:
    """Has dbt write the artifacts of a project into a folder. Raises `ManifestError` where it does not."""
    beside = Path(sys.executable).with_name("dbt")
    dbt = str(beside) if beside.exists() else shutil.which("dbt")
    if dbt is None:
        raise ManifestError("The dbt command is not found", hint="install dbt beside this command")
    asked = [
        dbt,
        "--no-use-colors",
        "parse",
        "--project-dir",
        str(project),
        "--target-path",
        str(target),
    ]
    if (project / "profiles.yml").exists():
        asked += ["--profiles-dir", str(project)]
    done = subprocess.run(  # noqa: S603 - dbt, and no shell
        asked, cwd=project, capture_output=True, text=True, timeout=_SECONDS, check=False
    )
    if done.returncode:
        said = [line for line in done.stdout.splitlines() if line.strip()]
        raise ManifestError(
            f"dbt does not parse {project}: {' '.join(said[-3:]) or done.stderr.strip()}",
            hint="give the artifacts themselves: --base-target FOLDER",
        )
    return target


def _git(
    folder: Path, words: Sequence[str], otherwise: str, environment: Mapping[str, str] = _NOTHING
) -> bytes:
    git = shutil.which("git")
    if git is None:
        raise ManifestError(
            "git is not installed here", hint="compare two folders of artifacts: --base-target"
        )
    done = subprocess.run(  # noqa: S603 - git, and no shell
        [git, "-C", str(folder), *words],
        capture_output=True,
        timeout=_SECONDS,
        check=False,
        env={**os.environ, **environment},
    )
    if done.returncode:
        told = done.stderr.decode(errors="replace").strip()
        raise ManifestError(
            f"The dbt project {folder} {otherwise}" + (f": {told}" if told else ""),
            hint="name a branch, a tag or a commit; `git log --oneline` lists them",
        )
    return done.stdout
