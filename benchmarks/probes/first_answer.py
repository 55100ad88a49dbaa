"""From nothing to the first governed answer, in a process of its own: `python -m benchmarks.probes.first_answer TARGET STATE QUERY`.

With STATE/plans there, the plans are taken from disk and MetricFlow is not imported.
"""

import json
import sys
from pathlib import Path

from benchmarks.door import POLICY, READER
from semantic.answer import MetricAnswer
from semantic.dbt_manifest import load_catalog
from semantic.engines.embedded import embedded_engine
from semantic.engines.stored import PLANS_FOLDER, StoredEngine
from semantic.governed_metrics import GovernedMetrics
from semantic.ledger import Ledger
from semantic.policy_file import parse_policy
from semantic.snapshot import SnapshotStore


def main(target: Path, state: Path, query: str) -> None:
    door = GovernedMetrics(
        catalog=load_catalog(target),
        policy=parse_policy(POLICY),
        ledger=Ledger.open(state / "ledger.db"),
        snapshots=SnapshotStore(state),
        engine=lambda catalog: StoredEngine(catalog, embedded_engine, state / PLANS_FOLDER),
        mask_key="bench",
    )
    with door:
        answer = door.query(json.loads(query), reader=READER)
    if not isinstance(answer, MetricAnswer):
        raise TypeError(str(answer))
    print(json.dumps({"rows": len(answer.rows), "metricflow": "metricflow" in sys.modules}))


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3])
