"""OpenTelemetry traces: a span for each request. Loaded only where `ROLLBOOK_OTLP_ENDPOINT` names a collector.

What else can be chosen (sampling, headers, name of the service) is read by the library from its own `OTEL_` variables.
"""

import os
from typing import Any

from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.trace import SpanKind, StatusCode, format_trace_id
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from server.contract.request import Request
from server.telemetry.logs import Line

CONTEXT = (b"traceparent", b"tracestate")
"""Headers by which a caller says whose trace a request belongs to."""


class Traces:
    """Sends spans. A listener of the access_log; to be made in the worker, since its thread does not survive a fork."""

    def __init__(self, endpoint: str) -> None:
        os.environ.setdefault("OTEL_SERVICE_NAME", "rollbook")
        self.provider = TracerProvider()
        exporter = OTLPSpanExporter(endpoint=f"{endpoint.rstrip('/')}/v1/traces")
        self.provider.add_span_processor(BatchSpanProcessor(exporter))
        self.tracer = self.provider.get_tracer("rollbook")
        self.propagator = TraceContextTextMapPropagator()

    def __call__(self, line: Line, request: Request, seconds: float) -> None:
        """Send the span of a request that has ended; have its line say which trace it is in."""
        scope = request.scope
        carrier = {name.decode(): value.decode("latin-1") for name, value in scope["headers"] if name in CONTEXT}
        what = ".".join(line[name] for name in ("contract", "operation", "action") if line[name])
        ended = int(line["time"].timestamp() * 1e9)  # it is told of a moment later
        span = self.tracer.start_span(
            what or scope["method"],
            self.propagator.extract(carrier),
            SpanKind.SERVER,
            self._attributes(line, request),
            start_time=ended - int(seconds * 1e9),
        )
        if line["level"] == "error":
            span.set_status(StatusCode.ERROR)
        span.end(ended)
        line["trace_id"] = format_trace_id(span.get_span_context().trace_id)

    @staticmethod
    def _attributes(line: Line, request: Request) -> dict[str, Any]:
        """Return the standard attributes. None of them holds the address, which may hold a password."""
        known = {
            "http.request.method": request.scope["method"],
            "http.route": request.path,
            "http.response.status_code": line["status"],
            "url.scheme": request.scope["scheme"],
            "enduser.id": None if line["account"] is None else str(line["account"]),
            "rollbook.contract": line["contract"],
            "rollbook.operation": line["operation"],
            "rollbook.action": line["action"],
            "rollbook.request_id": line["request_id"],
        }
        return {name: value for name, value in known.items() if value is not None}

    def close(self) -> None:
        """Send what is waiting."""
        self.provider.shutdown()
