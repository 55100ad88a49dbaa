"""Errors of agents, named by who can act on them."""

from semantic.errors import GovernedMetricsError


class AgentDefinitionError(GovernedMetricsError):
    """An agent's file is wrong. Its author can act; the message names file and line."""


class ModelUnavailable(GovernedMetricsError):
    """The chat model cannot be used: unknown name, missing key, no answer. The operator can act."""


class AgentRunFailed(GovernedMetricsError):
    """The agent came to no valid decision within its limits. Its author can act."""


class NoValidDecision(AgentRunFailed):
    """The model was told what is wrong with its answer as often as it may be, and came to no valid one. Its author can act."""


class LimitReached(AgentRunFailed):
    """The run may take no more of something: it ends without a decision. Its author, or the owner of the policy, can act."""


class RunChanged(AgentRunFailed):
    """A run that is tried again cannot go on, since what it rests on has changed. Who runs it can act."""


class GateClosed(GovernedMetricsError):
    """What the agent may read may not be read now, so it does not run. The owner of the data can act."""
