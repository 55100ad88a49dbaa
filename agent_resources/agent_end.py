"""How a run of an engine ends: with a decision, at a limit, or in failure."""

from pydantic_ai.exceptions import (
    AgentRunError,
    UnexpectedModelBehavior,
    UsageLimitExceeded,
    UserError,
)
from pydantic_ai.usage import UsageLimits

from agent_resources.agent import AgentDefinition
from agent_resources.agent_engine import Engine
from agent_resources.bounded import run_bounded
from agent_resources.decision import Decision
from agent_resources.errors import AgentRunFailed, LimitReached, NoValidDecision
from agent_resources.metric_tools import MetricReader
from agent_resources.output_type import decision_of


def end_of(
    definition: AgentDefinition,
    engine: Engine,
    reader: MetricReader,
    task: str,
) -> Decision | LimitReached:
    """The decision that the engine comes to, or the limit that it reaches first. Raises `NoValidDecision` where its model does not come to one, and
    `AgentRunFailed` where it did not answer, so that another try may.
    """
    limits = UsageLimits(
        request_limit=definition.limits.turns, tool_calls_limit=definition.limits.tool_calls
    )
    try:
        ended = run_bounded(
            lambda: engine.run(task, deps=reader, usage_limits=limits),
            definition.limits.seconds,
            give_up=reader.stop,
        )
        return decision_of(ended.output)
    except LimitReached as reached:
        return reached
    except TimeoutError:
        return LimitReached(
            f"Agent '{definition.name}' came to no decision within {definition.limits.seconds} s",
            hint="raise limits.seconds, or make its task smaller; its reads are on record",
        )
    except UsageLimitExceeded as error:
        return LimitReached(
            f"Agent '{definition.name}' reached a limit before it came to a decision: {error}",
            hint="raise its limits, or make its task smaller; its reads are on record",
        )
    except (AgentRunError, UserError) as error:
        kind = NoValidDecision if isinstance(error, UnexpectedModelBehavior) else AgentRunFailed
        raise kind(
            f"Agent '{definition.name}' came to no valid decision: {str(error).splitlines()[0]}",
            hint="its reads are on record: governed-agents reads --agent " + definition.name,
        ) from error
    finally:
        reader.wait()
