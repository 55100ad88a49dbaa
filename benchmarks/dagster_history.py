"""A Dagster instance in which agents have run: a thousand runs, each with a materialization that tells a decision and with the observations of what was read."""

from pathlib import Path

import dagster as dg
from dagster import DagsterInstance

from orchestration_assets.agent_key import agent_asset_key
from semantic.ledger.run_decisions import RunDecision

_READ = 10
_QUIET = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}


def write_runs(folder: Path, decisions: list[RunDecision]) -> str:
    """Has each of these decisions made by a run of its own, in a new instance in this folder. Returns the folder as DAGSTER_HOME."""
    folder.mkdir(parents=True)
    with DagsterInstance.local_temp(str(folder)) as instance:
        for decision in decisions:
            made = _asset(decision)
            job = dg.Definitions(assets=[made]).resolve_implicit_global_asset_job_def()
            done = job.execute_in_process(
                instance=instance, run_id=decision.run_id, run_config=_QUIET
            )
            assert done.success
    return str(folder)


def _asset(decision: RunDecision) -> dg.AssetsDefinition:
    key = agent_asset_key(decision.agent)

    @dg.asset(key=key)
    def agent(context: dg.AssetExecutionContext) -> dg.MaterializeResult:  # type: ignore[type-arg]
        for number in range(_READ):
            observed = dg.AssetObservation(
                asset_key=dg.AssetKey(["metrics", f"metric_{number}"]),
                tags={"dagster/data_version": "5" * 32},
            )
            context.log_event(observed)
        return dg.MaterializeResult(metadata={"decision_id": decision.decision_id})

    return agent
