/** What the routes need; `service.ts` hands it in. */
import type { BundlesAnswer, ChangeTask, CreateTask, PolicyIdentity, TaskAnswer } from "../contract/index.js";
import type { Decider } from "../decision/decide.js";
import type { Identity } from "../decision/ports.js";
import type { ScanLimits } from "../decision/scan.js";
import type { Logger } from "../system/logger.js";
import type { Timers } from "../system/index.js";
import type { Metrics } from "./metrics.js";

export interface Tasks {
  /** Whose it is, for as long as it lives; undefined where there is no such task. */
  task(id: string): { agent: string; purpose: string } | undefined;
  create(request: CreateTask, caller: string): Promise<{ created: boolean; task: TaskAnswer }>;
  change(id: string, request: ChangeTask, caller: string): Promise<TaskAnswer>;
}

export interface Bundles {
  readonly status: BundlesAnswer;
  /** @throws Problem `bundle_refused` */
  publish(bytes: Buffer): Promise<PolicyIdentity>;
}

/** What `/readyz` says: ready where all of it is true. */
export interface Readiness {
  bundle: boolean;
  facts: boolean;
  log: boolean;
  accepting: boolean;
}

export interface HttpLimits extends ScanLimits {
  body_bytes_max: number;
  batch_bytes_max: number;
  bundle_bytes_max: number;
  header_bytes_max: number;
  connections_max: number;
  decisions_max: number;
  headers_ms: number;
  body_ms: number;
  keep_alive_ms: number;
}

export interface HttpDeps {
  decider: Decider;
  identity: Identity;
  tasks: Tasks;
  bundles: Bundles;
  readiness: () => Readiness;
  metrics: Metrics;
  logger: Logger;
  timers: Timers;
  newId: () => string;
  limits: HttpLimits;
  hosts: readonly string[];
  tls?: { cert: Buffer; key: Buffer } | undefined;
}
