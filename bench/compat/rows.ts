/** The board's rows, by what people already run. */
import { byConformance } from "./conformance.js";
import { byGuardedConformance } from "./conformance_guarded.js";
import { CONFORMANCE, CONFORMANCE_SDK } from "./conformance_suite.js";
import { byPython, OPA_CLIENT, OTLP } from "./python.js";
import { byPublishedServers } from "./published_servers.js";
import { byRsyslog, rsyslogVersion } from "./rsyslog.js";
import type { CompatRow } from "./row.js";
import { byTests } from "./tests.js";

const RSYSLOG = `rsyslog ${rsyslogVersion() ?? ""}`.trim();

export const ROWS: readonly CompatRow[] = [
  { name: "opa-js", counterpart: "@open-policy-agent/opa 2.0.0", run: () => byTests("adapters/opa/client") },
  { name: "opa-python", counterpart: "opa-python-client 3.0.0", run: () => byPython("opa_python", OPA_CLIENT) },
  { name: "opa-stock", counterpart: "OPA 1.22.2, bundles and decisions", run: () => byTests("adapters/opa/stock") },
  {
    name: "opa-products",
    counterpart: "Trino, Kafka, Kubernetes and gateways (their request shapes)",
    run: () => byTests("adapters/opa/mapped", "answer .* as it wants to be answered"),
  },
  {
    name: "opa-logs",
    counterpart: "decision logs and status of other OPAs (their request shapes)",
    run: () => byTests("adapters/opa/mapped", "decision logs of other OPAs"),
  },
  {
    name: "authzen-actions",
    counterpart: "AuthZEN from a toolkit that sends tools' names as actions",
    run: () => byTests("adapters/authzen/authzen.long", "where all other actions are one verb"),
  },
  {
    name: "otlp-http",
    counterpart: "OpenTelemetry for Python 1.45.2, HTTP with Protobuf",
    run: () => byPython("otlp", OTLP, ["http"], true),
  },
  { name: "otlp-grpc", counterpart: "OpenTelemetry for Python 1.45.2, gRPC", run: () => byPython("otlp", OTLP, ["grpc"], true) },
  {
    name: "mcp-servers",
    counterpart: "MCP servers filesystem and memory 2026.8.31, and others",
    run: () => byTests("guards/mcp_servers.long"),
  },
  { name: "mcp-drafts", counterpart: "26 MCP servers, as npm has them", run: byPublishedServers },
  { name: "mcp-auth", counterpart: `${CONFORMANCE}, suite auth`, run: byConformance },
  { name: "mcp-server", counterpart: `${CONFORMANCE}, before a server on ${CONFORMANCE_SDK}`, run: byGuardedConformance },
  { name: "witness", counterpart: "a witness by C2SP tlog-witness (the tests' own)", run: () => byTests("audit/witness") },
  {
    name: "static-log",
    counterpart: "Torchwood 0.9.0 over a static web server",
    run: () => byTests("audit/publish/service.long", "is complete|lacks only what retention"),
  },
  { name: "syslog", counterpart: `${RSYSLOG}, RFC 5424 over TLS`, run: () => byRsyslog("syslog") },
  { name: "cef", counterpart: `${RSYSLOG}, CEF over TLS`, run: () => byRsyslog("cef") },
  {
    name: "kafka",
    counterpart: "Apache Kafka 4.1.1",
    run: () => byTests("audit/export/kafka.long", "has every record once|takes the other forms"),
  },
];
