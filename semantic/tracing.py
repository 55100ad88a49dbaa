"""Where a read stands in a trace of OpenTelemetry."""

from dataclasses import replace

from opentelemetry import trace

from semantic.ledger import ReadContext


def in_current_span(context: ReadContext) -> ReadContext:
    """The context with the ids of the span that is current here, where there is one."""
    span = trace.get_current_span().get_span_context()
    if not span.is_valid:
        return context
    return replace(
        context,
        trace_id=trace.format_trace_id(span.trace_id),
        span_id=trace.format_span_id(span.span_id),
    )
