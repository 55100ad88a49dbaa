"""The engine that governed reads are compiled by: MetricFlow within this process, and its SQL made simpler."""

from semantic.catalog import Catalog
from semantic.engine import MetricEngine
from semantic.engines.metricflow import MetricFlowCompiler
from semantic.engines.simplifying import SimplifyingEngine


def embedded_engine(catalog: Catalog) -> MetricEngine:
    """A new engine for these definitions. Takes a second where MetricFlow is not loaded yet. Raises `MetricCompileError`."""
    return SimplifyingEngine(MetricFlowCompiler(catalog))
