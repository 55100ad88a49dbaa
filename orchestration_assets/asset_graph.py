"""The assets and checks of the code location that a run belongs to."""

from contextvars import ContextVar
from typing import Any

import dagster as dg
from dagster._core.definitions.assets.graph.base_asset_graph import BaseAssetGraph
from dagster_shared.check import CheckError

# What a run in this process looks at: a job that was narrowed to one asset does not know the others.
whole_graph: ContextVar[BaseAssetGraph[Any] | None] = ContextVar("whole_graph", default=None)


def asset_graph_of(context: dg.AssetExecutionContext) -> BaseAssetGraph[Any]:
    """All assets and checks of the code location; of a run in the process that asked for it, which has no location, those that it was given
    (`whole_graph`), or of its job.
    """
    given = whole_graph.get()
    if given is not None:
        return given
    try:
        return context.repository_def.asset_graph
    except CheckError:
        return context.job_def.asset_layer.asset_graph
