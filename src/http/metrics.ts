/**
 * Metrics for operators, in Prometheus's form. Every label's values come from a closed table, from the configuration or from the active
 * bundle.
 */
import { createRequire } from "node:module";
import type * as Prom from "prom-client";
import type { ObservedAnswer, PolicyIdentity, ProblemCode, StreamEnd } from "../contract/index.js";
import type { TracesReport } from "../adapters/otlp/report.js";
import type { Bound } from "../system/bounds.js";
import type { Decided } from "../decision/decide.js";
import type { SourcePullerStatus } from "../sources/puller.js";
import type { StageStatus } from "../policy/staging.js";
import type { SecurityEventsState } from "./rooms.js";

export interface Observed {
  policy: PolicyIdentity | null;
  /** Time for which the active bundle has been active. */
  policy_age_ms: number;
  /** Time for which it may still decide: negative once it may not, Infinity without an end. */
  policy_left_ms: number;
  /** Refusals of bundles since the start, by where they came from. */
  bundle_refusals: ReadonlyMap<string, number>;
  /** True if the bundle at the path is refused. */
  bundle_refused: boolean;
  /** True if the state of trusted bundles was older than the log at the start. */
  bundle_trust_behind: boolean;
  /** Source that bundles are fetched from; null: none. */
  bundle_source: SourcePullerStatus | null;
  /** Bundle that is tried beside the active one; null if none is. */
  staged: StageStatus | null;
  facts_revision: number;
  facts_stale: boolean;
  /** Null for a service that decides alone. */
  cluster: {
    lease_left_ms: number;
    live: number;
    silent: number;
    bundles: number;
    /** Milliseconds without the bundle that the feed names. */
    bundle_behind_ms: number;
    /** Milliseconds since what the other nodes have decided was learned; and how many of their acts came too late to be. */
    lessons_behind_ms: number;
    lessons_late: number;
    feeds: readonly { name: string; silent_ms: number | null }[];
    uncopied: number;
  } | null;
  everything_revoked: boolean;
  store_healthy: boolean;
  log_healthy: boolean;
  log_queue: { records: number; bytes: number };
  subscribers: number;
  /** State of each sink that receives records. */
  exports: readonly { name: string; delivered_seq: number; lag: number; failures: number; set_aside: number }[];
  /** State of each bucket that receives files of records. */
  uploads: readonly { name: string; sent: number; waiting: number; failures: number; failing_s: number }[];
  /** The log as it is published as files; null: it isn't. */
  published: { size: number; failing: boolean } | null;
  /** State of each witness of the log. */
  witnesses: readonly { name: string; size: number; failing: boolean }[];
  record_followers: number;
  bounds: Iterable<Bound>;
  stopped: { narrowed: number; suspended: number };
  findings: { open: number; followers: number; webhook_failing: boolean };
  security_events: SecurityEventsState;
  indexed_to: number;
  /** Records that are on disk and aren't found yet. */
  index_lag: number;
  sensors_silent: number;
}

// One by one: the library's index brings what pushes metrics and gathers those of clusters, ten times as much code.
const require = createRequire(import.meta.url);
const Counter = require("prom-client/lib/counter.js") as typeof Prom.Counter;
const Gauge = require("prom-client/lib/gauge.js") as typeof Prom.Gauge;
const Histogram = require("prom-client/lib/histogram.js") as typeof Prom.Histogram;
const Registry = require("prom-client/lib/registry.js") as typeof Prom.Registry;

const STAGE_SECONDS = [0.00005, 0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1];

/** Labels' values come from the configuration and from closed tables. */
function observeSecurityEvents(registers: Prom.Registry[], observe: () => SecurityEventsState): void {
  const of = <L extends string>(
    Kind: typeof Counter | typeof Gauge,
    name: string,
    help: string,
    labelNames: readonly L[],
    read: (state: SecurityEventsState) => Iterable<readonly [labels: Record<L, string>, value: number]>,
  ): void => {
    const made = new Kind({
      name: `remit_security_${name}`,
      help,
      labelNames,
      registers,
      collect: () => {
        made.reset();
        for (const [labels, value] of read(observe())) made.inc(labels as Record<string, string | number> & typeof labels, value);
      },
    });
  };
  const each = function* (
    counts: (stream: SecurityEventsState["received"][number]) => Partial<Record<string, number>>,
    state: SecurityEventsState,
  ) {
    for (const stream of state.received)
      for (const [label, count = 0] of Object.entries(counts(stream))) yield [stream.name, label, count] as const;
  };
  of(Counter, "events_taken_total", "Security events taken, by what became of them", ["transmitter", "outcome"], function* (state) {
    for (const [transmitter, outcome, count] of each(({ taken }) => taken, state)) yield [{ transmitter, outcome }, count];
  });
  of(
    Counter,
    "events_refused_total",
    "Tokens that were refused, by the error; without a transmitter: not proven to come from one",
    ["transmitter", "code"],
    function* (state) {
      for (const [transmitter, code, count] of each(({ refused }) => refused, state)) yield [{ transmitter, code }, count];
      for (const [code, count = 0] of Object.entries(state.unproven)) yield [{ transmitter: "", code }, count];
    },
  );
  of(Gauge, "event_lag_seconds", "From when the last event was issued until it was taken", ["transmitter"], function* (state) {
    for (const { name, lag_ms } of state.received) if (lag_ms !== null) yield [{ transmitter: name }, lag_ms / 1000];
  });
  of(Gauge, "stream_unverified", "1 while a stream that should be verified isn't", ["transmitter"], function* (state) {
    for (const { name, unverified } of state.received) yield [{ transmitter: name }, Number(unverified)];
  });
  of(Gauge, "revocations", "Revocations in force that are a transmitter's own, of `revocations_max`", ["transmitter"], function* (state) {
    for (const { name, revocations } of state.received) yield [{ transmitter: name }, revocations];
  });
  of(Gauge, "poll_failing", "1 while a transmitter can't be polled", ["transmitter"], function* (state) {
    for (const { name, poll_failing } of state.received) yield [{ transmitter: name }, Number(poll_failing)];
  });
  of(Gauge, "stream_pending", "Events that a stream is told next, and changes that it wasn't told of", ["stream"], function* (state) {
    for (const { stream_id: stream, pending, behind } of state.told) yield [{ stream }, pending + behind];
  });
  of(Gauge, "stream_failing", "1 while a stream's events can't be pushed", ["stream"], function* (state) {
    for (const { stream_id: stream, failing } of state.told) yield [{ stream }, Number(failing)];
  });
  of(Counter, "stream_set_aside_total", "Events that a stream's receiver refuses", ["stream"], function* (state) {
    for (const { stream_id: stream, set_aside } of state.told) yield [{ stream }, set_aside];
  });
  of(Gauge, "events_queue", "Security events being taken now", [], (state) => [[{}, state.queue]]);
}

export class Metrics {
  readonly registry = new Registry();
  readonly #decisions: Prom.Counter<"decision" | "purpose">;
  readonly #observed: Prom.Counter<"decision">;
  readonly #searched: Prom.Counter;
  readonly #spans: Prom.Counter<"what">;
  readonly #stages: Prom.Histogram<"stage">;
  readonly #problems: Prom.Counter<"code">;
  readonly #checksRefused: Prom.Counter<"code">;
  readonly #streamsEnded: Prom.Counter<"code">;

  constructor(observe: () => Observed) {
    const registers = [this.registry];
    this.#searched = new Counter({
      name: "remit_authzen_candidates_total",
      help: "Candidates that AuthZEN searches asked about; they leave no records",
      registers,
    });
    this.#checksRefused = new Counter({
      name: "remit_envoy_refused_total",
      help: "Requests that a proxy asked about and that were refused before a decision, by the code that the client got; they leave no records",
      labelNames: ["code"],
      registers,
    });
    this.#decisions = new Counter({
      name: "remit_decisions_total",
      help: "Decisions answered, by outcome and purpose; purposes that the bundle doesn't know count as unknown",
      labelNames: ["decision", "purpose"],
      registers,
    });
    this.#observed = new Counter({
      name: "remit_observed_total",
      help: "Observed actions on record, by what would have been decided",
      labelNames: ["decision"],
      registers,
    });
    this.#spans = new Counter({
      name: "remit_spans_total",
      help: "Spans of traces: observed, asked (permitted before by a decision), again (told of before), rejected, passed_over",
      labelNames: ["what"],
      registers,
    });
    this.#stages = new Histogram({
      name: "remit_decision_stage_seconds",
      help: "Time of a decision's stages: read (with authentication), evaluate, record",
      labelNames: ["stage"],
      buckets: STAGE_SECONDS,
      registers,
    });
    this.#problems = new Counter({
      name: "remit_problems_total",
      help: "Requests answered with a problem, by its code",
      labelNames: ["code"],
      registers,
    });
    this.#streamsEnded = new Counter({
      name: "remit_event_streams_ended_total",
      help: "Event streams that the service ended, by why; `subscriber_slow`: cut",
      labelNames: ["code"],
      registers,
    });
    const gauge = (name: string, help: string, read: (observed: Observed) => number): void => {
      const made: Prom.Gauge = new Gauge({
        name,
        help,
        registers,
        collect: () => {
          made.set(read(observe()));
        },
      });
    };
    const bundle: Prom.Gauge<"bundle" | "revision"> = new Gauge({
      name: "remit_bundle_info",
      help: "1 for the bundle that decides",
      labelNames: ["bundle", "revision"],
      registers,
      collect: () => {
        bundle.reset();
        const { policy } = observe();
        if (policy !== null) bundle.set({ bundle: policy.bundle, revision: policy.revision }, 1);
      },
    });
    gauge("remit_bundle_sequence", "Sequence of the bundle that decides; 0 without one", ({ policy }) => policy?.sequence ?? 0);
    gauge("remit_bundle_age_seconds", "Since the bundle that decides was activated", ({ policy_age_ms }) => policy_age_ms / 1000);
    gauge(
      "remit_bundle_expires_seconds",
      "Until the bundle that decides expires, negative once it has; +Inf if it never does; 0 without one",
      ({ policy_left_ms }) => policy_left_ms / 1000,
    );
    gauge("remit_bundle_refused", "1 while the bundle that is wanted is refused, so that another runs, or none", ({ bundle_refused }) =>
      Number(bundle_refused),
    );
    const refusals: Prom.Counter<"from"> = new Counter({
      name: "remit_bundle_refusals_total",
      help: "Bundles refused, by where they came from: path, source, publication, stage, the kept copy, or what a cluster's feed names",
      labelNames: ["from"],
      registers,
      collect: () => {
        refusals.reset();
        for (const [from, count] of observe().bundle_refusals) refusals.inc({ from }, count);
      },
    });
    gauge(
      "remit_bundle_trust_behind",
      "1 if the state of trusted bundles was lost or older than the log when the service started",
      ({ bundle_trust_behind }) => Number(bundle_trust_behind),
    );
    gauge(
      "remit_bundle_source_silent_seconds",
      "Since the source of bundles last answered; +Inf before its first answer, 0 without a source",
      ({ bundle_source }) => (bundle_source === null ? 0 : (bundle_source.silent_ms ?? Infinity) / 1000),
    );
    gauge(
      "remit_stage_share",
      "Percentage of the agents that a staged bundle decides for; -1 without one",
      ({ staged }) => staged?.share ?? -1,
    );
    gauge(
      "remit_stage_compared",
      "Decisions that the active and the staged bundle were both asked about",
      ({ staged }) => staged?.compared ?? 0,
    );
    gauge("remit_stage_flips", "Those that the staged bundle decides differently", ({ staged }) => staged?.flips ?? 0);
    gauge("remit_stage_errors", "Evaluations of the staged bundle that failed", ({ staged }) => staged?.errors ?? 0);
    gauge("remit_facts_revision", "Revision of the facts", ({ facts_revision }) => facts_revision);
    gauge("remit_facts_stale", "1 while the facts are older than their bound", ({ facts_stale }) => Number(facts_stale));
    gauge(
      "remit_lease_left_seconds",
      "How long this node of a cluster may allow without hearing of itself",
      ({ cluster }) => (cluster?.lease_left_ms ?? 0) / 1000,
    );
    gauge("remit_cluster_nodes", "Nodes of the cluster that are live; 0 without one", ({ cluster }) => cluster?.live ?? 0);
    gauge(
      "remit_cluster_silent_nodes",
      "Nodes of the cluster whose lease is over, and that haven't left",
      ({ cluster }) => cluster?.silent ?? 0,
    );
    gauge(
      "remit_cluster_bundles",
      "Different bundles that live nodes of the cluster run; 0 without one",
      ({ cluster }) => cluster?.bundles ?? 0,
    );
    gauge(
      "remit_bundle_behind_seconds",
      "For how long this node has been without the bundle that the cluster's feed names; 0: it decides by it, or by none that is named",
      ({ cluster }) => (cluster?.bundle_behind_ms ?? 0) / 1000,
    );
    gauge(
      "remit_lessons_behind_seconds",
      "Since this node has learned all that every other live node had decided",
      ({ cluster }) => (cluster?.lessons_behind_ms ?? 0) / 1000,
    );
    gauge(
      "remit_lessons_late",
      "Actions decided on other nodes that came too late to be learned from, since the start",
      ({ cluster }) => cluster?.lessons_late ?? 0,
    );
    gauge("remit_everything_revoked", "1 while everything is revoked", ({ everything_revoked }) => Number(everything_revoked));
    gauge("remit_store_healthy", "1 while changes of facts reach the disk", ({ store_healthy }) => Number(store_healthy));
    gauge("remit_log_healthy", "1 while records reach the disk", ({ log_healthy }) => Number(log_healthy));
    gauge("remit_log_queue_records", "Records waiting for the disk", ({ log_queue }) => log_queue.records);
    gauge("remit_log_queue_bytes", "Bytes waiting for the disk", ({ log_queue }) => log_queue.bytes);
    gauge("remit_event_subscribers", "Who follow changes now", ({ subscribers }) => subscribers);
    const ofNamed =
      <Named extends { name: string }>(label: string, all: (observed: Observed) => readonly Named[]) =>
      (Kind: typeof Counter | typeof Gauge, name: string, help: string, read: (one: Named) => number): void => {
        const made = new Kind({
          name,
          help,
          labelNames: [label],
          registers,
          collect: () => {
            made.reset();
            for (const one of all(observe())) made.inc({ [label]: one.name }, read(one));
          },
        });
      };
    const ofSinks = ofNamed("sink", ({ exports }) => exports);
    ofSinks(Gauge, "remit_export_delivered_seq", "Last record that a sink has taken", ({ delivered_seq }) => delivered_seq);
    ofSinks(Gauge, "remit_export_lag_records", "Records on disk that a sink hasn't taken", ({ lag }) => lag);
    ofSinks(Counter, "remit_export_failures_total", "Requests to a sink that weren't answered well", ({ failures }) => failures);
    ofSinks(
      Counter,
      "remit_export_set_aside_total",
      "Records that a sink refuses for good, which stay in the log",
      ({ set_aside }) => set_aside,
    );
    const ofBuckets = ofNamed("bucket", ({ uploads }) => uploads);
    ofBuckets(Counter, "remit_upload_files_total", "Files of records that were sent to a bucket", ({ sent }) => sent);
    ofBuckets(Gauge, "remit_upload_waiting_segments", "Sealed segments whose file isn't known to be in a bucket", ({ waiting }) => waiting);
    ofBuckets(Counter, "remit_upload_failures_total", "Uploads to a bucket that failed", ({ failures }) => failures);
    ofBuckets(
      Gauge,
      "remit_upload_failing_seconds",
      "Seconds since uploads to a bucket began to fail; 0: they don't",
      ({ failing_s }) => failing_s,
    );
    const ofWitnesses = ofNamed("witness", ({ witnesses }) => witnesses);
    ofWitnesses(Gauge, "remit_witness_cosigned_records", "Records that a witness's last cosignature covers", ({ size }) => size);
    ofWitnesses(Gauge, "remit_witness_failing", "1 while a witness doesn't cosign", ({ failing }) => Number(failing));
    gauge("remit_published_records", "Records that are published as files; 0: none", ({ published }) => published?.size ?? 0);
    gauge("remit_publish_failing", "1 while the log can't be published as files", ({ published }) => Number(published?.failing ?? false));
    gauge("remit_record_followers", "Who follow records now", ({ record_followers }) => record_followers);
    const ofFeeds = ofNamed("feed", ({ cluster }) => cluster?.feeds ?? []);
    ofFeeds(
      Gauge,
      "remit_feed_silent_seconds",
      "Since a feed of the cluster has brought a tick of this node; +Inf before the first",
      ({ silent_ms }) => (silent_ms ?? Infinity) / 1000,
    );
    gauge("remit_restrictions_uncopied", "Restrictions that the cluster's second feed lacks", ({ cluster }) => cluster?.uncopied ?? 0);
    const ofBounds = (name: string, help: string, read: (bound: Bound) => number): void => {
      const made: Prom.Gauge<"bound"> = new Gauge({
        ...{ name, help, registers, labelNames: ["bound"] as const },
        collect: () => {
          for (const bound of observe().bounds) made.set({ bound: bound.name }, read(bound));
        },
      });
    };
    ofBounds("remit_bound_used", "How much is taken of what callers and agents share", ({ used }) => used());
    ofBounds("remit_bound_max", "How much there is of what callers and agents share", ({ max }) => max);
    gauge("remit_agents_narrowed", "Agents that are narrowed", ({ stopped }) => stopped.narrowed);
    gauge("remit_agents_suspended", "Agents that are suspended", ({ stopped }) => stopped.suspended);
    gauge("remit_findings_open", "Findings that nobody has closed", ({ findings }) => findings.open);
    gauge("remit_finding_followers", "Who follow findings now", ({ findings }) => findings.followers);
    gauge("remit_webhook_failing", "1 while findings can't be told to the webhook", ({ findings }) => Number(findings.webhook_failing));
    observeSecurityEvents(registers, () => observe().security_events);
    gauge("remit_index_seq", "The last record that a search finds", ({ indexed_to }) => indexed_to);
    gauge("remit_sensors_silent", "Sensors that report nothing, and are to", ({ sensors_silent }) => sensors_silent);
    gauge("remit_index_lag_records", "Records on disk that no search finds yet", ({ index_lag }) => index_lag);
  }

  decided({ answer, purpose, stages }: Decided): void {
    this.#decisions.inc({ decision: answer.decision, purpose: purpose ?? "unknown" });
    this.#stages.observe({ stage: "read" }, stages.read / 1000);
    this.#stages.observe({ stage: "evaluate" }, stages.evaluate / 1000);
    this.#stages.observe({ stage: "record" }, stages.record / 1000);
  }

  observed({ accepted, not_permitted, flagged }: ObservedAnswer): void {
    this.#observed.inc({ decision: "allow" }, accepted - not_permitted - flagged);
    this.#observed.inc({ decision: "deny" }, not_permitted);
    this.#observed.inc({ decision: "flag" }, flagged);
  }

  spans({ spans, passed_over, again, asked, rejected, answer }: TracesReport): void {
    const counts = { passed_over, again, asked, observed: answer.accepted, rejected: rejected.length };
    if (spans > 0) for (const [what, count] of Object.entries(counts)) this.#spans.inc({ what }, count);
  }

  /** @param candidates that it asked about */
  searched(candidates: number): void {
    this.#searched.inc(candidates);
  }

  streamEnded(code: StreamEnd): void {
    this.#streamsEnded.inc({ code });
  }

  checkRefused(code: string): void {
    this.#checksRefused.inc({ code });
  }

  problem(code: ProblemCode): void {
    this.#problems.inc({ code });
  }
}
