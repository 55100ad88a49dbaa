"""What happens under a policy that is not the published one: nothing, and it is said."""

from agent_resources.errors import GateClosed
from semantic.governed_metrics import GovernedMetrics

NOT_PUBLISHED = (
    "The policy of this code location is not the published one; materialize governed_snapshot"
)


def refuse_unpublished(metrics: GovernedMetrics) -> None:
    """Raises `GateClosed` where the policy of this process is not the published one, so that nothing is measured under it."""
    if not metrics.has_published_policy():
        raise GateClosed(
            NOT_PUBLISHED, hint="governed_snapshot belongs to those who own the policy"
        )


def refuse_other_policy(agent: str, metrics: GovernedMetrics) -> None:
    """Raises `GateClosed` where the policy of this process is not the published one."""
    if not metrics.has_published_policy():
        raise GateClosed(
            f"Agent '{agent}' does not run, because the policy of this process is not the published one",
            hint="the owner of the policy publishes it: materialize governed_snapshot",
        )
