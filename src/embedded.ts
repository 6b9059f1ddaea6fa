/**
 * The same decision inside the application: a verified bundle, facts kept in step with a service's, or both from files; decided by the
 * very flow that a service decides by, on record here before it is answered, and handed in to the service in the background.
 */
import { createHash, randomUUID } from "node:crypto";
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { logIdentity } from "./audit/log/log_keys.js";
import { ARCHIVE_LIMITS } from "./bundle/archive.js";
import { RemitClient } from "./client/client.js";
import type { LocalOptions } from "./client/options.js";
import type { Outside } from "./client/outside.js";
import type { Action, GuardOptions, ActionOnHold, Permitted } from "./client/index.js";
import { Problem, REQUEST_LIMITS, type Answer, type DecideRequest, type PolicyIdentity } from "./contract/index.js";
import { decider } from "./decision/decide.js";
import { OutcomeReports } from "./decision/outcomes.js";
import type { ActivePolicy, DecisionLog } from "./decision/ports.js";
import { BundlePuller } from "./embedded/bundles.js";
import { InProcess } from "./embedded/in_process.js";
import type { Failing } from "./embedded/not_ready.js";
import { readEmbedded, type EmbeddedOptions, type ReadOptions } from "./embedded/options.js";
import { Remote } from "./embedded/remote.js";
import { Shipper } from "./embedded/shipper.js";
import { fromFile, fromService } from "./embedded/sources.js";
import { INSTANCE_LIMITS, PolicyInstance } from "./policy/instance.js";
import type { BundleSource } from "./policy/source.js";
import { Closing } from "./system/closing_stack.js";
import { system as machine, type System } from "./system/index.js";
import type { Logger } from "./system/logger.js";
import { reportEngine } from "./embedded/log_events.js";
import { openCore } from "./service/core.js";

export type { EmbeddedOptions, ServiceOptions } from "./embedded/options.js";
export { Denied, Refusal, Undecided } from "./client/errors.js";
export { OptionError } from "./client/option_error.js";
export { NotReady } from "./embedded/not_ready.js";
export type { Action, GuardOptions, ActionOnHold, Permitted } from "./client/index.js";

/** State of an engine. */
export interface EmbeddedStatus {
  policy: PolicyIdentity | null;
  facts_revision: number;
  /** Time since the last word of what is so; Infinity before there was any. */
  facts_age_ms: number;
  /** True if a decision made now would rest on facts that are too old. */
  facts_stale: boolean;
  /** Number of the last record here, and of the last that is on disk. */
  recorded: number;
  durable: number;
  /** Records that the service has not taken yet, and those that it refused for good; 0 without a service. */
  unshipped: number;
  refused: number;
}

/** Decides in this process. Whatever goes wrong is `Undecided`, or an answer that denies. */
export interface Embedded {
  /**
   * Returns a decision, whatever it is, once it is on record. The caller acts on it only if it proceeds, its obligations are understood, and
   * not later than `valid_for_ms` milliseconds from now. `guard` sees to all of that.
   * @throws Undecided with a code of `NO_ANSWERS`
   * @example
   * import { readFileSync } from "node:fs";
   * import { openEmbedded } from "@remit-pdp/embedded";
   *
   * const engine = await openEmbedded({
   *   dir: "engine-decide",
   *   bundle: { name: "customer_support", keys: readFileSync("customer_support.pub.pem", "utf8") },
   *   service: { url: "http://127.0.0.1:8181", token: () => currentToken() },
   * });
   * const { decision, reasons } = await engine.decide(action);
   * await engine.close();
   */
  decide(action: DecideRequest): Promise<Answer>;
  /**
   * Returns decisions in order, each with its own id and record; one malformed action refuses the whole, and is named by `problem.item`.
   * @throws Undecided with a code of `NO_ANSWERS`
   * @example
   * import { readFileSync } from "node:fs";
   * import { openEmbedded } from "@remit-pdp/embedded";
   *
   * const engine = await openEmbedded({
   *   dir: "engine-batch",
   *   bundle: { name: "customer_support", keys: readFileSync("customer_support.pub.pem", "utf8") },
   *   service: { url: "http://127.0.0.1:8181", token: () => currentToken() },
   * });
   * const answers = await engine.decideBatch(actions);
   * await engine.close();
   */
  decideBatch(actions: readonly DecideRequest[]): Promise<Answer[]>;
  /**
   * Decides, meets obligations, runs, and records the outcome, as `guard` of `@remit-pdp/client`.
   * @returns the result of `run`, without the fields that the answer redacts
   * @throws Denied, Undecided, OptionError; and whatever `run` throws
   * @example
   * import { readFileSync } from "node:fs";
   * import { openEmbedded } from "@remit-pdp/embedded";
   *
   * const engine = await openEmbedded({
   *   dir: "engine-guard",
   *   bundle: { name: "customer_support", keys: readFileSync("customer_support.pub.pem", "utf8") },
   *   service: { url: "http://127.0.0.1:8181", token: () => currentToken() },
   * });
   * const customer = await engine.guard(action, ({ action, signal }) => readCustomer(action.resource.id, signal));
   * await engine.close();
   */
  guard<T>(action: Action, run: (permitted: Permitted) => T | Promise<T>, options?: GuardOptions): Promise<T>;
  /**
   * Returns an answer to act on later, by `act`.
   * @throws Undecided with a code of `NO_ANSWERS`
   * @example
   * import { readFileSync } from "node:fs";
   * import { openEmbedded } from "@remit-pdp/embedded";
   *
   * const engine = await openEmbedded({
   *   dir: "engine-hold",
   *   bundle: { name: "customer_support", keys: readFileSync("customer_support.pub.pem", "utf8") },
   *   service: { url: "http://127.0.0.1:8181", token: () => currentToken() },
   * });
   * const held = await engine.hold(action);
   * await engine.close();
   */
  hold(action: Action): Promise<ActionOnHold>;
  /**
   * Runs on an answer that was held: once, while it is valid, and only if nothing since has taken it back.
   * @returns the result of `run`, as `guard` does
   * @throws Denied; Undecided `answer_foreign`, `answer_used`, `answer_expired`, `answer_dropped`, `not_live`; OptionError; and whatever `run` throws
   * @example
   * import { readFileSync } from "node:fs";
   * import { openEmbedded } from "@remit-pdp/embedded";
   *
   * const engine = await openEmbedded({
   *   dir: "engine-act",
   *   bundle: { name: "customer_support", keys: readFileSync("customer_support.pub.pem", "utf8") },
   *   service: { url: "http://127.0.0.1:8181", token: () => currentToken() },
   * });
   * const held = await engine.hold(action);
   * const customer = await engine.act(held, ({ action }) => readCustomer(action.resource.id));
   * await engine.close();
   */
  act<T>(held: ActionOnHold, run: (permitted: Permitted) => T | Promise<T>, options?: GuardOptions): Promise<T>;
  /**
   * Resolves once this facts revision of the service is known here, such as that of a task that was just made.
   * @throws Undecided `deadline`
   * @example
   * import { readFileSync } from "node:fs";
   * import { openEmbedded } from "@remit-pdp/embedded";
   *
   * const engine = await openEmbedded({
   *   dir: "engine-reached",
   *   bundle: { name: "customer_support", keys: readFileSync("customer_support.pub.pem", "utf8") },
   *   service: { url: "http://127.0.0.1:8181", token: () => currentToken() },
   * });
   * await engine.reached(engine.status.facts_revision);
   * await engine.close();
   */
  reached(revision: number): Promise<void>;
  readonly status: EmbeddedStatus;
  /**
   * Ends the engine: it decides no more, puts every record on disk, and hands in the rest for up to 5 seconds.
   * @example
   * import { readFileSync } from "node:fs";
   * import { openEmbedded } from "@remit-pdp/embedded";
   *
   * const engine = await openEmbedded({
   *   dir: "engine-close",
   *   bundle: { name: "customer_support", keys: readFileSync("customer_support.pub.pem", "utf8") },
   *   service: { url: "http://127.0.0.1:8181", token: () => currentToken() },
   * });
   * await engine.close();
   */
  close(): Promise<void>;
}

const BUNDLE_FILE = "bundle.tar.gz";
const BUNDLE_WAIT_MS = 60_000;
const ANSWER_MS = 10_000;
const RETRY_MS = 1000;
const RETRY_MAX_MS = 30_000;
/** Milliseconds before the first retry: nothing is decided for long while records wait. */
const SHIP_RETRY_MS = 200;
const SHIP_RETRY_MAX_MS = 2000;
const CLOSE_MS = 5000;
const MIB = 1024 * 1024;
const LOG = { segment_bytes: 64 * MIB, checkpoint_ms: 1000 };
const MASK_PERIOD_DAYS = 30;
const BEHAVIOR = { agents_max: 10_000, snapshot_ms: 300_000 };
const OUTCOMES_MAX = 100_000;
const CHAINED_TASKS_MAX = 100_000;

/**
 * Opens an engine in this process. Resolves when it decides: a verified bundle is active, and facts are known.
 * @param system clock, timers and random numbers; tests replace them
 * @throws OptionError `option_unknown`, `option_invalid`; NotReady with the service's code if bundle or facts are missing; Error if the folder is unusable
 * @example
 * import { readFileSync } from "node:fs";
 * import { openEmbedded } from "@remit-pdp/embedded";
 *
 * const engine = await openEmbedded({
 *   dir: "engine-open",
 *   bundle: { name: "customer_support", keys: readFileSync("customer_support.pub.pem", "utf8") },
 *   service: { url: "http://127.0.0.1:8181", token: () => currentToken() },
 * });
 * const answer = await engine.decide(action);
 * await engine.close();
 */
export async function openEmbedded(options: EmbeddedOptions, system: System = machine): Promise<Embedded> {
  const read = readEmbedded(options);
  const closing = new Closing();
  try {
    return await open(options, read, system, closing);
  } catch (cause) {
    await closing.close();
    throw cause;
  }
}

async function open(options: EmbeddedOptions, read: ReadOptions, system: System, closing: Closing): Promise<Embedded> {
  const { clock, timers } = system;
  const { dir, service, report = ignored } = options;
  const logger = loggerOf(report);
  const outside = outsideOf(system);
  const logDir = join(dir, "log");
  mkdirSync(logDir, { recursive: true, mode: 0o700 });
  const keys = logIdentity(logDir, {});
  const { durability, queue_records_max, queue_bytes_max } = read;
  const { name, file } = options.bundle;
  let activated = (): void => undefined;
  const instance = { ...INSTANCE_LIMITS, evaluation_fuel_max: read.evaluation_fuel_max };
  const { log, masks, profile, engine, source } = await openCore(
    {
      log: { directory: logDir, durability, queue_records_max, queue_bytes_max, ...LOG },
      log_keys: keys,
      mask_period_days: MASK_PERIOD_DAYS,
      behavior: { enabled: read.behavior, ...BEHAVIOR },
      bundle: {
        path: file ?? join(dir, BUNDLE_FILE),
        name,
        trust: () => ({ keys: read.keys, signers_min: read.signers_min }),
        poll_ms: read.poll_ms,
        limits: ARCHIVE_LIMITS,
        state_dir: join(dir, "trusted"),
      },
      load: (bundle) => new PolicyInstance(bundle, instance),
      activated: () => {
        activated();
      },
      // Before the service's bundle has come there is no file, and nothing is wrong.
      tells: ({ refusal }) => refusal.code !== "file_unreadable" || file !== undefined,
    },
    system,
    logger,
    closing,
  );
  if (file !== undefined) closing.add(source.watch());

  const policyNow = (): ActivePolicy | null => engine.active;
  const remote = read.urls === null || service === undefined ? null : new Remote({ urls: read.urls, token: service.token }, outside);
  const from =
    service === undefined || remote === null
      ? await fromFile(options, read, system, outside, policyNow, logger)
      : fromService(service, read, system, outside, policyNow, logger);
  closing.add(() => {
    from.close();
  });
  const shipper =
    remote === null
      ? null
      : new Shipper(
          remote,
          {
            folder: logDir,
            origin: keys.origin,
            unshipped_max: read.unshipped_max,
            unshipped_ms_max: read.unshipped_ms_max,
            answer_ms: ANSWER_MS,
            retry_ms: SHIP_RETRY_MS,
            retry_max_ms: SHIP_RETRY_MAX_MS,
          },
          clock,
          {
            failing: (detail, shipped_to) => {
              reportEngine(logger, "records_unshipped", { detail, shipped_to });
            },
            shipping: (shipped_to) => {
              reportEngine(logger, "records_shipped", { shipped_to });
            },
            refused: (refused) => {
              reportEngine(logger, "record_refused", { ...refused });
            },
          },
        );
  const puller =
    remote === null || file !== undefined
      ? null
      : new BundlePuller(
          remote,
          {
            name,
            bytes_max: ARCHIVE_LIMITS.compressed_bytes_max,
            wait_ms: BUNDLE_WAIT_MS,
            answer_ms: ANSWER_MS,
            retry_ms: RETRY_MS,
            retry_max_ms: RETRY_MAX_MS,
          },
          () => engine.active?.identity ?? null,
          (bytes) => source.publish(bytes),
          () => clock.monotonic(),
          {
            failing: (detail) => {
              reportEngine(logger, "bundle_unavailable", { detail });
            },
          },
        );
  if (shipper !== null) {
    closing.add(
      log.onDurable((seq) => {
        shipper.durable(seq);
      }),
    );
    closing.add(() => shipper.close(CLOSE_MS));
    shipper.durable(log.durable);
    shipper.start();
  }
  puller?.start();

  const recorded: DecisionLog = {
    get seq() {
      return log.seq;
    },
    append: (before, after, beside) =>
      shipper?.hasRoom === false ? Promise.reject(new Problem("records_unshipped")) : log.append(before, after, beside),
  };
  const outcomes = new OutcomeReports({ log, clock, recent_max: OUTCOMES_MAX });
  const deciding = decider({
    system,
    identity: from.identity,
    engine,
    facts: from.facts,
    log: recorded,
    profile,
    masks,
    limits: {
      ...REQUEST_LIMITS,
      batch_actions_max: read.batch_actions_max,
      time_skew_max_ms: read.time_skew_max_ms,
      approval_wait_ms: read.approval_wait_ms,
      chained_tasks_max: CHAINED_TASKS_MAX,
    },
    decided: (id, caller, proceed) => {
      // Of what wasn't permitted nobody reports here.
      if (proceed) outcomes.remember(id, caller, proceed);
    },
  });
  const local = new InProcess(deciding, from, outcomes, engine, system);
  activated = () => {
    from.heard.others(from.facts.revision);
  };
  const client = new RemitClient(localOptions(options), outside, { carrier: local, heard: from.heard });
  await local.ready(read.ready_ms, timers, () => (puller === null ? refusedBundle(source) : puller.failing));
  closing.add(() => client.close());
  return {
    decide: (action) => local.decide(action),
    decideBatch: (actions) => local.decideBatch(actions),
    guard: (action, run, guarding) => client.guard(action, run, guarding),
    hold: (action) => client.decide(action),
    act: (held, run, guarding) => client.act(held, run, guarding),
    reached: (revision) => local.reached(revision, read.deadline_ms),
    get status() {
      return {
        policy: engine.active?.identity ?? null,
        facts_revision: from.facts.revision,
        facts_age_ms: from.age(),
        facts_stale: from.facts.stale,
        recorded: log.seq,
        durable: log.durable,
        unshipped: shipper?.waiting ?? 0,
        refused: shipper?.refused ?? 0,
      };
    },
    close() {
      local.close();
      return closing.close();
    },
  };
}

function refusedBundle({ status: { refused } }: BundleSource): Failing | null {
  return refused === null ? null : { code: refused.code, detail: refused.message };
}

function ignored(): void {
  return;
}

function loggerOf(report: NonNullable<EmbeddedOptions["report"]>): Logger {
  const at =
    (level: "info" | "warn" | "error") =>
    (message: string, fields: Record<string, unknown> = {}): void => {
      report(level, message, fields);
    };
  return { info: at("info"), warn: at("warn"), error: at("error") };
}

function outsideOf({ clock, timers }: System): Outside {
  return {
    fetch: (url, init) => fetch(url, init),
    monotonic: () => clock.monotonic(),
    after: (ms, call) => timers.after(ms, call),
    uuid: () => randomUUID(),
    sha256: (text) => createHash("sha256").update(text).digest("hex"),
  };
}

/** The client's own, of which requests and their answers need no bounds here. */
function localOptions({ confirm, notify, redact, deadline_ms, outcomes_max, batch_actions_max }: EmbeddedOptions): LocalOptions {
  return {
    ...(confirm !== undefined && { confirm }),
    ...(notify !== undefined && { notify }),
    ...(redact !== undefined && { redact }),
    ...(deadline_ms !== undefined && { deadline_ms }),
    ...(outcomes_max !== undefined && { outcomes_max }),
    ...(batch_actions_max !== undefined && { batch_actions_max }),
    requests_max: 1024,
  };
}
