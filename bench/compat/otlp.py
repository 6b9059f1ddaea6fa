"""OpenTelemetry's own exporters in Python, with their defaults: HTTP with Protobuf, and gRPC."""

import json
import os
import sys

from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SpanExportResult

headers = {"authorization": f"Bearer {os.environ['REMIT_TOKEN']}"}
if sys.argv[1] == "grpc":
    from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter

    exporter = OTLPSpanExporter(endpoint=f"http://{os.environ['REMIT_OTLP']}", insecure=True, headers=headers)
else:
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter

    exporter = OTLPSpanExporter(endpoint=f"{os.environ['REMIT_URL']}/v1/traces", headers=headers)

tracer = TracerProvider(resource=Resource.create({"service.name": "a-1"})).get_tracer("compat")
with tracer.start_as_current_span("execute_tool read_note") as span:
    span.set_attribute("gen_ai.operation.name", "execute_tool")
    span.set_attribute("gen_ai.tool.name", "read_note")
    span.set_attribute("gen_ai.tool.call.arguments", json.dumps({"note_id": f"n-{sys.argv[1]}", "customer": "ada"}))
result = exporter.export([span])
exporter.shutdown()
assert result is SpanExportResult.SUCCESS, result
print("a tool's span is exported")
