"""Spans to an OTLP collector, where the environment names one. Nothing leaves the process otherwise."""

import logging
import os
import threading
from importlib.util import find_spec

from opentelemetry import trace

ENDPOINTS = ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT")
_FLUSH_MILLISECONDS = 5_000
_SERVICE = "governed-agents"
_log = logging.getLogger(__name__)
_setting_up = threading.Lock()
_is_looked_at = False


def export_where_configured() -> None:
    """Sends the spans of this process by OTLP over HTTP where `OTEL_EXPORTER_OTLP_ENDPOINT` is set, unless the process exports them already.
    Needs the extra `otlp`; without it a warning says so, once.
    """
    global _is_looked_at
    with _setting_up:
        if _is_looked_at:
            return
        _is_looked_at = True
        if not any(os.environ.get(name) for name in ENDPOINTS):
            return
        if not isinstance(trace.get_tracer_provider(), trace.ProxyTracerProvider):
            return
        if find_spec("opentelemetry.exporter") is None or find_spec("opentelemetry.sdk") is None:
            _log.warning(
                "An OTLP endpoint is set, and spans are not exported: install dagster-governed-agents[otlp]"
            )
            return
        _export()


def flush() -> None:
    """Sends what was not sent yet: a process may end with its run."""
    provider = trace.get_tracer_provider()
    force_flush = getattr(provider, "force_flush", None)
    if force_flush is not None:
        force_flush(_FLUSH_MILLISECONDS)


def _export() -> None:
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    from opentelemetry.sdk.resources import SERVICE_NAME, Resource
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor

    service = os.environ.get("OTEL_SERVICE_NAME", _SERVICE)
    provider = TracerProvider(resource=Resource.create({SERVICE_NAME: service}))
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    trace.set_tracer_provider(provider)
