/** OTLP's messages, written and read by a library of their own, as an exporter would. */
import protobuf from "protobufjs";
import type { Json } from "../../http/asking.js";

/** As opentelemetry-proto 1.9 has it, with fields that nobody reads here. */
export const PROTO = protobuf.parse(`
  syntax = "proto3";
  message AnyValue { oneof value { string string_value = 1; bool bool_value = 2; int64 int_value = 3; double double_value = 4; ArrayValue array_value = 5; KeyValueList kvlist_value = 6; bytes bytes_value = 7; } }
  message ArrayValue { repeated AnyValue values = 1; }
  message KeyValueList { repeated KeyValue values = 1; }
  message KeyValue { string key = 1; AnyValue value = 2; }
  message Scope { string name = 1; string version = 2; repeated KeyValue attributes = 3; }
  message Resource { repeated KeyValue attributes = 1; uint32 dropped_attributes_count = 2; }
  message Status { string message = 2; int32 code = 3; }
  message Event { fixed64 time_unix_nano = 1; string name = 2; repeated KeyValue attributes = 3; }
  message Span { bytes trace_id = 1; bytes span_id = 2; string trace_state = 3; bytes parent_span_id = 4; fixed32 flags = 16; string name = 5; int32 kind = 6; fixed64 start_time_unix_nano = 7; fixed64 end_time_unix_nano = 8; repeated KeyValue attributes = 9; uint32 dropped_attributes_count = 10; repeated Event events = 11; Status status = 15; }
  message ScopeSpans { Scope scope = 1; repeated Span spans = 2; string schema_url = 3; }
  message ResourceSpans { Resource resource = 1; repeated ScopeSpans scope_spans = 2; string schema_url = 3; }
  message Traces { repeated ResourceSpans resource_spans = 1; }
  message LogRecord { fixed64 time_unix_nano = 1; int32 severity_number = 2; string severity_text = 3; AnyValue body = 5; repeated KeyValue attributes = 6; string event_name = 12; }
  message NumberPoint { fixed64 start_time_unix_nano = 2; oneof value { double as_double = 4; sfixed64 as_int = 6; } repeated KeyValue attributes = 7; }
  message HistogramPoint { fixed64 count = 4; double sum = 5; repeated fixed64 bucket_counts = 6 [packed = true]; repeated double explicit_bounds = 7 [packed = true]; repeated KeyValue attributes = 9; }
  message Gauge { repeated NumberPoint data_points = 1; }
  message Sum { repeated NumberPoint data_points = 1; int32 aggregation_temporality = 2; bool is_monotonic = 3; }
  message Histogram { repeated HistogramPoint data_points = 1; int32 aggregation_temporality = 2; }
  message Metric { string name = 1; string description = 2; string unit = 3; oneof data { Gauge gauge = 5; Sum sum = 7; Histogram histogram = 9; } }
  message ScopeMetrics { repeated Metric metrics = 2; }
  message ResourceMetrics { Resource resource = 1; repeated ScopeMetrics scope_metrics = 2; }
  message Metrics { repeated ResourceMetrics resource_metrics = 1; }
  message ScopeLogs { repeated LogRecord log_records = 2; }
  message ResourceLogs { Resource resource = 1; repeated ScopeLogs scope_logs = 2; }
  message Logs { repeated ResourceLogs resource_logs = 1; }
  message PartialSuccess { int64 rejected_spans = 1; string error_message = 2; }
  message Answer { PartialSuccess partial_success = 1; }
  message RpcStatus { int32 code = 1; string message = 2; }
`).root;

/** A request in OTLP's JSON as an SDK's exporter would send it. */
export function asProtobuf(request: unknown, type = "Traces"): Buffer {
  const withBytes: unknown = JSON.parse(JSON.stringify(request), (name, value: unknown) =>
    /^(?:trace|span|parentSpan)Id$/.test(name) ? Buffer.from(String(value), "hex").toString("base64") : value,
  );
  const message = PROTO.lookupType(type);
  return Buffer.from(message.encode(message.fromObject(withBytes as Json)).finish());
}
