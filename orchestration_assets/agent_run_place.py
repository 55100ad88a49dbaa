"""Where a run of an agent happens, as the record and its journal know it."""

import dagster as dg

from semantic.ledger import ReadContext

_DONE = "SUCCESS"


def read_context(context: dg.AssetExecutionContext, *, purpose: str | None = None) -> ReadContext:
    """The run, the run that it may be a retry of, and its step."""
    run = context.run
    return ReadContext(
        run_id=run.run_id,
        root_run_id=run.root_run_id or run.run_id,
        step_key=context.op_execution_context.op.name,
        purpose=purpose,
    )


def has_done(context: dg.AssetExecutionContext, run_id: str) -> bool:
    """Whether another run has done this step to its end."""
    found = context.instance.get_run_step_stats(run_id, [context.op_execution_context.op.name])
    return any(item.status is not None and item.status.name == _DONE for item in found)
