"""Components for `dg`: what a project adds in YAML."""

from orchestration_assets.components.agents import AgentComponent as AgentComponent
from orchestration_assets.components.semantic_metrics import (
    SemanticMetricsComponent as SemanticMetricsComponent,
)
