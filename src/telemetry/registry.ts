/** Metrics as Prometheus's client keeps them, in OpenTelemetry's model. Names stay as `/metrics` has them. */
import { ValueType } from "@opentelemetry/api";
import {
  AggregationTemporality,
  DataPointType,
  type CollectionResult,
  type MetricData,
  type MetricProducer,
} from "@opentelemetry/sdk-metrics";
import { emptyResource } from "@opentelemetry/resources";

type Labels = Readonly<Record<string, string | number>>;

interface SeriesValue {
  value: number;
  labels: Labels;
  metricName?: string;
}

/** One metric of the registry, as `getMetricsAsJSON` has it. */
export interface RegistryMetric {
  name: string;
  help: string;
  type: string;
  values: readonly SeriesValue[];
}

export interface RegistrySource {
  getMetricsAsJSON: () => Promise<readonly unknown[]>;
}

type Seconds = [number, number];

const MS_A_SECOND = 1000;
const NANOS_A_MS = 1_000_000;
const timeOf = (ms: number): Seconds => [Math.floor(ms / MS_A_SECOND), Math.round((ms % MS_A_SECOND) * NANOS_A_MS)];

/** @param now the wall clock, in milliseconds; counters count from the moment of this call */
export function registryProducer(registry: RegistrySource, now: () => number): MetricProducer {
  const startTime = timeOf(now());
  return {
    collect: async (): Promise<CollectionResult> => {
      const read = (await registry.getMetricsAsJSON()) as readonly RegistryMetric[];
      const times = { startTime, endTime: timeOf(now()) };
      const metrics = read.filter(({ values }) => values.length > 0).map((metric) => dataOf(metric, times));
      return { resourceMetrics: { resource: emptyResource(), scopeMetrics: [{ scope: { name: "remit" }, metrics }] }, errors: [] };
    },
  };
}

interface PointTimes {
  startTime: Seconds;
  endTime: Seconds;
}

function dataOf(metric: RegistryMetric, times: PointTimes): MetricData {
  const { name, help, type, values } = metric;
  const descriptor = { name, description: help, unit: unitOf(name), valueType: ValueType.DOUBLE };
  const base = { descriptor, aggregationTemporality: AggregationTemporality.CUMULATIVE };
  const points = values.map(({ value, labels }) => ({ ...times, attributes: labels, value }));
  if (type === "histogram") return { ...base, dataPointType: DataPointType.HISTOGRAM, dataPoints: histograms(metric, times) };
  if (type === "counter") return { ...base, dataPointType: DataPointType.SUM, isMonotonic: true, dataPoints: points };
  return { ...base, dataPointType: DataPointType.GAUGE, dataPoints: points };
}

/** Unit of UCUM, by the end of a name. */
function unitOf(name: string): string {
  if (name.endsWith("_seconds")) return "s";
  return name.endsWith("_bytes") ? "By" : "";
}

type HistogramPoint = Extract<MetricData, { dataPointType: DataPointType.HISTOGRAM }>["dataPoints"][number];

/** Buckets in Prometheus's form are counts up to a bound; in OpenTelemetry's they are counts between bounds. */
function histograms({ name, values }: RegistryMetric, times: PointTimes): HistogramPoint[] {
  const series = new Map<string, { attributes: Labels; upTo: [bound: number, count: number][]; sum: number; count: number }>();
  for (const { labels, metricName, value } of values) {
    const { le, ...attributes } = labels;
    const key = JSON.stringify(attributes);
    const one = series.get(key) ?? { attributes, upTo: [], sum: 0, count: 0 };
    series.set(key, one);
    if (metricName === `${name}_sum`) one.sum = value;
    else if (metricName === `${name}_count`) one.count = value;
    else if (le !== undefined && le !== "+Inf") one.upTo.push([Number(le), value]);
  }
  return [...series.values()].map(({ attributes, upTo, sum, count }) => {
    upTo.sort(([a], [b]) => a - b);
    const between = upTo.map(([, value], i) => value - (upTo[i - 1]?.[1] ?? 0));
    const counts = [...between, count - (upTo.at(-1)?.[1] ?? 0)];
    return { ...times, attributes, value: { buckets: { boundaries: upTo.map(([bound]) => bound), counts }, sum, count } };
  });
}
