"""The spans of OpenTelemetry that we start, and their attributes: the GenAI conventions of the version that is pinned here, and ours.

Nothing here is exported unless the process has an exporter, and no attribute holds what was asked, read or answered: that is in the record, under
the ids that the spans carry.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from enum import StrEnum

from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.trace import Span, SpanKind, Status, StatusCode

# GenAI attributes have the status Development: another version may name them in another way.
CONVENTIONS = "1.44.0"
_TRACER = trace.get_tracer(
    "governed-agents", schema_url=f"https://opentelemetry.io/schemas/{CONVENTIONS}"
)
Value = str | int | float | bool | tuple[str, ...]


class GenAi(StrEnum):
    """Attributes of the GenAI conventions."""

    OPERATION = "gen_ai.operation.name"
    PROVIDER = "gen_ai.provider.name"
    AGENT = "gen_ai.agent.name"
    AGENT_VERSION = "gen_ai.agent.version"
    CONVERSATION = "gen_ai.conversation.id"
    REQUEST_MODEL = "gen_ai.request.model"
    MAX_TOKENS = "gen_ai.request.max_tokens"
    RESPONSE_MODEL = "gen_ai.response.model"
    FINISH_REASONS = "gen_ai.response.finish_reasons"
    INPUT_TOKENS = "gen_ai.usage.input_tokens"
    OUTPUT_TOKENS = "gen_ai.usage.output_tokens"
    TOOL = "gen_ai.tool.name"
    TOOL_CALL = "gen_ai.tool.call.id"
    ERROR = "error.type"


class Ours(StrEnum):
    """Attributes that have no convention. Costs are in US dollars."""

    RECORD = "governed_agents.record.id"
    DECISION = "governed_agents.decision.id"
    DAGSTER_RUN = "governed_agents.dagster.run_id"
    DAGSTER_STEP = "governed_agents.dagster.step_key"
    SNAPSHOT = "governed_agents.snapshot"
    STATE = "governed_agents.state"
    TURN = "governed_agents.turn"
    COST = "governed_agents.cost_usd"
    READER = "governed_agents.reader"
    METRICS = "governed_agents.metrics"
    DATA_VERSIONS = "governed_agents.data_versions"
    ROWS = "governed_agents.rows"
    REFUSED = "governed_agents.refused"


Attributes = Mapping[GenAi | Ours, Value | None]


@contextmanager
def span(
    name: str,
    attributes: Attributes,
    *,
    kind: SpanKind = SpanKind.INTERNAL,
    under: Context | None = None,
) -> Iterator[Span]:
    """A span that is current in the block, and ends with it; of an error it tells the kind alone, since the text of one may hold what was asked."""
    with _TRACER.start_as_current_span(
        name,
        context=under,
        kind=kind,
        attributes=_known(attributes),
        record_exception=False,
        set_status_on_exception=False,
    ) as started:
        try:
            yield started
        except BaseException as error:
            started.set_attribute(GenAi.ERROR, type(error).__name__)
            started.set_status(Status(StatusCode.ERROR))
            raise


def start(name: str, attributes: Attributes, *, under: Context | None = None) -> Span:
    """A span that is current nowhere. Who started it ends it."""
    return _TRACER.start_span(name, context=under, attributes=_known(attributes))


def tell(told: Span, attributes: Attributes) -> None:
    """Sets attributes, as far as their values are known."""
    if told.is_recording():
        told.set_attributes(_known(attributes))


def _known(attributes: Attributes) -> dict[str, Value]:
    return {name.value: value for name, value in attributes.items() if value is not None}
