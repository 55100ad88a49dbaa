"""A dbt project as it was at a revision of its git repository: its artifacts, parsed anew."""

import io
import shutil
import subprocess
import sys
import tarfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from semantic.errors import ManifestError

_SECONDS = 300
# What dbt brings from elsewhere, and git does not keep.
_PACKAGES = "dbt_packages"


@contextmanager
def parsed_revision(project: Path, revision: str) -> Iterator[Path]:
    """The folder with the artifacts of a dbt project at a revision, as long as the block lasts. Runs `git archive` and `dbt parse`.

    Raises `ManifestError` where there is no such revision, or the project of then cannot be parsed.
    """
    project = project.resolve()
    top = Path(
        _git(project, ["rev-parse", "--show-toplevel"], "is in no git repository").strip().decode()
    )
    where = project.relative_to(top)
    _git(
        project,
        ["rev-parse", "--verify", "--quiet", "--end-of-options", f"{revision}^{{commit}}"],
        f"has no revision '{revision}'",
    )
    packed = _git(top, ["archive", revision, "--", str(where)], f"was not there at '{revision}'")
    with TemporaryDirectory() as folder:
        with tarfile.open(fileobj=io.BytesIO(packed)) as archive:
            archive.extractall(folder, filter="data")
        then = Path(folder) / where
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


def _git(folder: Path, words: Sequence[str], otherwise: str) -> bytes:
    git = shutil.which("git")
    if git is None:
        raise ManifestError(
            "git is not installed here", hint="compare two folders of artifacts: --base-target"
        )
    done = subprocess.run(  # noqa: S603 - git, and no shell
        [git, "-C", str(folder), *words], capture_output=True, timeout=_SECONDS, check=False
    )
    if done.returncode:
        told = done.stderr.decode(errors="replace").strip()
        raise ManifestError(
            f"The dbt project {folder} {otherwise}" + (f": {told}" if told else ""),
            hint="name a branch, a tag or a commit; `git log --oneline` lists them",
        )
    return done.stdout
