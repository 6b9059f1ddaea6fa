/**
 * The service's own traces, metrics and logs, sent by OTLP/HTTP with OpenTelemetry's SDK. Loaded only where the configuration asks for it. A
 * receiver that is slow or down costs what is queued, which is bounded, and nothing else.
 */
import { OTLPLogExporter } from "@opentelemetry/exporter-logs-otlp-proto";
import { OTLPMetricExporter } from "@opentelemetry/exporter-metrics-otlp-proto";
import { OTLPTraceExporter } from "@opentelemetry/exporter-trace-otlp-proto";
import { resourceFromAttributes } from "@opentelemetry/resources";
import { BatchLogRecordProcessor, LoggerProvider } from "@opentelemetry/sdk-logs";
import { MeterProvider, PeriodicExportingMetricReader } from "@opentelemetry/sdk-metrics";
import { BatchSpanProcessor, ParentBasedSampler, TraceIdRatioBasedSampler, TracerProvider } from "@opentelemetry/sdk-trace";
import type { Config } from "../system/config.js";
import { readHeaders } from "../system/headers_file.js";
import type { System } from "../system/index.js";
import type { Logger } from "../system/logger.js";
import { uuid7 } from "../system/uuid.js";
import { decisionSpans, type DecisionSpans } from "./decisions.js";
import { exportedLogger } from "./logs.js";
import { registryProducer, type RegistrySource } from "./registry.js";
import { report } from "../system/log_events.js";

export interface Telemetry {
  /** Null if traces aren't sent. */
  spans: DecisionSpans | null;
  /** Logger that sends what it logs, too; the one that was given if logs aren't sent. */
  logger: Logger;
  /** Sends the registry's metrics from now on, if metrics are sent. */
  metrics(registry: RegistrySource): void;
  /** Sends what waits, within the time of one request. */
  close(): Promise<void>;
}

type TelemetrySignal = NonNullable<Config["telemetry"]>["signals"][number];

const PERCENT = 100;
/** The SDK wants a batch to fit into the queue. */
const BATCH_MAX = 512;

export function startTelemetry(options: NonNullable<Config["telemetry"]>, version: string, system: System, logger: Logger): Telemetry {
  const { clock } = system;
  const resource = resourceFromAttributes({
    ...{ "service.name": "remit", "service.version": version, "service.instance.id": uuid7(clock, system.random)() },
    ...options.resource,
  });
  const sends = (signal: TelemetrySignal): boolean => options.signals.includes(signal);
  const batching = {
    maxQueueSize: options.queue_max,
    maxExportBatchSize: Math.min(options.queue_max, BATCH_MAX),
    scheduledDelayMillis: options.delay_ms,
    exportTimeoutMillis: options.timeout_ms,
  };
  const exporterOptions = (signal: TelemetrySignal) => ({
    url: `${options.url.replace(/\/$/, "")}/v1/${signal}`,
    timeoutMillis: options.timeout_ms,
    headers: () => Promise.resolve(headersOf(signal)),
  });
  const failing = new Set<TelemetrySignal>();

  /** Reports once when a signal begins to fail, and once when it is sent again. */
  function turned(signal: TelemetrySignal, error: Error | undefined): void {
    if (failing.has(signal) === (error !== undefined)) return;
    if (error === undefined) {
      failing.delete(signal);
      report(logger, "telemetry_back", { signal });
    } else {
      failing.add(signal);
      report(logger, "telemetry_failing", { signal, detail: error.message });
    }
  }

  function headersOf(signal: TelemetrySignal): Record<string, string> {
    if (options.headers_file === undefined) return {};
    try {
      return readHeaders(options.headers_file);
    } catch (cause) {
      turned(signal, cause instanceof Error ? cause : new Error(String(cause)));
      return {};
    }
  }

  function watched<T extends SignalExporter>(signal: TelemetrySignal, exporter: T): T {
    const send: SignalExporter["export"] = exporter.export.bind(exporter);
    exporter.export = (items: never, done: (result: ExportOutcome) => void) => {
      send(items, (result) => {
        turned(signal, result.code === 0 ? undefined : (result.error ?? new Error("unknown")));
        done(result);
      });
    };
    return exporter;
  }

  const closing: (() => Promise<void>)[] = [];
  let spans: DecisionSpans | null = null;
  if (sends("traces")) {
    const sampler = new ParentBasedSampler({ root: new TraceIdRatioBasedSampler(options.new_traces_percent / PERCENT) });
    const exporter = watched("traces", new OTLPTraceExporter(exporterOptions("traces")));
    const provider = new TracerProvider({ resource, sampler, spanProcessors: [new BatchSpanProcessor({ exporter, ...batching })] });
    closing.push(() => provider.shutdown());
    spans = decisionSpans(provider.getTracer("remit", version), clock);
  }
  let logged = logger;
  if (sends("logs")) {
    const exporter = watched("logs", new OTLPLogExporter(exporterOptions("logs")));
    const provider = new LoggerProvider({ resource, processors: [new BatchLogRecordProcessor({ exporter, ...batching })] });
    closing.push(() => provider.shutdown());
    logged = exportedLogger(logger, provider.getLogger("remit", version), clock);
  }
  return {
    spans,
    logger: logged,
    metrics: (registry) => {
      if (!sends("metrics")) return;
      const reader = new PeriodicExportingMetricReader({
        exporter: watched("metrics", new OTLPMetricExporter(exporterOptions("metrics"))),
        exportIntervalMillis: options.metrics_interval_ms,
        exportTimeoutMillis: Math.min(options.timeout_ms, options.metrics_interval_ms),
        metricProducers: [registryProducer(registry, () => clock.wall())],
      });
      const provider = new MeterProvider({ resource, readers: [reader] });
      closing.push(() => provider.shutdown());
    },
    close: async () => {
      await Promise.allSettled(closing.map((close) => close()));
    },
  };
}

/** Result of one request; the code is 0 if it was received. */
interface ExportOutcome {
  code: number;
  error?: Error;
}

interface SignalExporter {
  export: (items: never, done: (result: ExportOutcome) => void) => void;
}
