"""What dbt makes of the platform's definitions: the file beside them is written from it, and a test compares the two."""

import json
import tempfile
from pathlib import Path

from tests.dbt_build import copy_dbt_project, run_dbt

FOLDER = Path(__file__).parents[1] / "semantic" / "platform"
MANIFEST = FOLDER / "semantic_manifest.json"


def manifest_by_dbt(folder: Path) -> str:
    """The semantic models and metrics as dbt writes them, of a copy below a folder."""
    project = folder / "platform"
    copy_dbt_project(FOLDER, project)
    run_dbt("parse", project)
    written = json.loads((project / "target" / "semantic_manifest.json").read_text())
    kept = {group: written[group] for group in ("semantic_models", "metrics")}
    return json.dumps(kept, indent=1) + "\n"


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        MANIFEST.write_text(manifest_by_dbt(Path(folder)))
