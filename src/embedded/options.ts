/** Options of an engine in an application, checked when they are given. */
import type { KeyObject } from "node:crypto";
import { keyId, publicKey } from "../bundle/signature.js";
import type { TrustedKeys } from "../bundle/verify.js";
import { baseUrls, checkNames, checkService, integer, readLimits, type LocalOptions, type OptionNames } from "../client/options.js";
import { OptionError } from "../client/option_error.js";
import { DURABILITIES, EVALUATION_FUEL, type Durability } from "../contract/index.js";

export interface ServiceOptions {
  /** Such as `http://127.0.0.1:8181`. Several, of a cluster's nodes: the first is preferred, and after one that can't be reached the next is followed. */
  url: string | readonly string[];
  /** With scopes `remit:embed`, `remit:bundle` and, for what only the service can decide, `remit:decide`. A function is asked for each request. */
  token: string | (() => string | Promise<string>);
}

export interface EmbeddedOptions extends Omit<LocalOptions, "follow" | "requests_max" | "queue_max"> {
  /** A folder of this process's own: its records, the bundle that it has, and what it trusts. */
  dir: string;
  bundle: {
    /** Name of the bundle, as in its manifest. */
    name: string;
    /** Public keys in PEM, one of which has to have signed it. */
    keys: string | readonly string[];
    /** Signers that have to have signed it, 1 or 2. @default 1 */
    signers_min?: number;
    /** A watched file. @default none: it comes from the service */
    file?: string;
    /** Milliseconds for which an older bundle than the service's may decide, if the service's isn't available. @default 30,000 */
    behind_ms_max?: number;
  };
  /** Service that facts and bundles come from, and that records go to. @default none: `facts.file` and `bundle.file` say everything */
  service?: ServiceOptions;
  /** Facts and how old they may be. @default those of the service */
  facts?: {
    /** A watched file of facts, in the form of an import; only without `service`. @default none */
    file?: string;
    /** Milliseconds that facts may be old: so long a revocation may go unheard where the network is cut. @default 5,000 */
    age_ms_max?: number;
    /** Milliseconds between two looks at `file`. @default 1,000 */
    poll_ms?: number;
  };
  /** Caller that decides, and the agents and purposes that it may decide for; only without `service`. @default the service's word */
  caller?: {
    id: string;
    /** Agents by their ids. @default all */
    agents?: readonly string[];
    /** Purposes by their ids. @default all */
    purposes?: readonly string[];
  };
  /** Records here, and how many may wait. @default each option's own */
  records?: {
    /** `synced`: an answer waits for the disk. `relaxed`: it doesn't, and the last records may be lost with the process. @default `synced` */
    durability?: Durability;
    /** Records that may not have reached the service. @default 100,000 */
    unshipped_max?: number;
    /** Milliseconds that the first of them may wait. @default 60,000 */
    unshipped_ms_max?: number;
    /** Records that may wait for the disk. @default 10,000 */
    queue_records_max?: number;
    /** Bytes that may wait for the disk. @default 67,108,864 */
    queue_bytes_max?: number;
  };
  /** True if the baseline is learned from what is decided here. @default true */
  behavior?: boolean;
  /** Metering units that one evaluation may use, about 10,000 a microsecond of CPU; beyond it the action is denied. @default 40,000,000 */
  evaluation_fuel_max?: number;
  /** Milliseconds that a claimed `time` may be from this host's clock, either way. @default 30,000 */
  time_skew_ms_max?: number;
  /** Milliseconds that a flag may wait for approval. @default 900,000 */
  approval_wait_ms?: number;
  /** Milliseconds that the first facts and the first bundle may take. @default 10,000 */
  ready_ms?: number;
  /** Called with what an operator should know. @default it is told to nobody */
  report?: (level: "info" | "warn" | "error", message: string, fields: Readonly<Record<string, unknown>>) => void;
}

export interface ReadOptions {
  urls: readonly URL[] | null;
  keys: TrustedKeys;
  signers_min: number;
  age_ms_max: number;
  behind_ms_max: number;
  poll_ms: number;
  durability: Durability;
  unshipped_max: number;
  unshipped_ms_max: number;
  queue_records_max: number;
  queue_bytes_max: number;
  batch_actions_max: number;
  deadline_ms: number;
  time_skew_max_ms: number;
  approval_wait_ms: number;
  ready_ms: number;
  evaluation_fuel_max: number;
  behavior: boolean;
}

const MS_MAX = 2 ** 31 - 1;
const HOUR_MS = 3_600_000;
const MIB = 1024 * 1024;

type Names<T> = Record<keyof NonNullable<T>, true>;
const BUNDLE: Names<EmbeddedOptions["bundle"]> = { name: true, keys: true, signers_min: true, file: true, behind_ms_max: true };
const SERVICE: Names<ServiceOptions> = { url: true, token: true };
const FACTS: Names<EmbeddedOptions["facts"]> = { file: true, age_ms_max: true, poll_ms: true };
const CALLER: Names<EmbeddedOptions["caller"]> = { id: true, agents: true, purposes: true };
const RECORDS: Names<EmbeddedOptions["records"]> = {
  ...{ durability: true, unshipped_max: true, unshipped_ms_max: true },
  ...{ queue_records_max: true, queue_bytes_max: true },
};
const OPTIONS: Record<keyof EmbeddedOptions, true | OptionNames> = {
  ...{ dir: true, bundle: BUNDLE, service: SERVICE, facts: FACTS, caller: CALLER, records: RECORDS },
  ...{ behavior: true, evaluation_fuel_max: true, time_skew_ms_max: true, approval_wait_ms: true, ready_ms: true },
  ...{ report: true, confirm: true, notify: true, redact: true },
  ...{ deadline_ms: true, outcomes_max: true, batch_actions_max: true },
};

/** @throws TypeError naming the option and what is expected of it */
export function readEmbedded(options: EmbeddedOptions): ReadOptions {
  checkNames(options, OPTIONS);
  const { limits } = readLimits(options);
  const { dir, bundle, service, facts = {}, caller, records = {}, behavior = true, report } = options;
  if (typeof dir !== "string" || dir === "") throw new OptionError("dir", "option_invalid", "expected a folder");
  if (typeof bundle !== "object" || typeof bundle.name !== "string" || bundle.name === "")
    throw new OptionError("bundle.name", "option_invalid", "expected a name");
  checkFile("bundle.file", bundle.file);
  checkFile("facts.file", facts.file);
  if (service === undefined) {
    if (bundle.file === undefined) throw new OptionError("bundle.file", "option_invalid", "expected a file, where there is no service");
    if (facts.file === undefined) throw new OptionError("facts.file", "option_invalid", "expected a file, where there is no service");
    if (typeof caller?.id !== "string" || caller.id === "")
      throw new OptionError("caller.id", "option_invalid", "expected a name, where there is no service");
    checkNamesOf("caller.agents", caller.agents);
    checkNamesOf("caller.purposes", caller.purposes);
  } else {
    if (facts.file !== undefined) throw new OptionError("facts.file", "option_invalid", "expected nothing, where there is a service");
    if (caller !== undefined) throw new OptionError("caller", "option_invalid", "expected nothing, where there is a service");
    checkService(service, "service.");
  }
  const { durability = "synced" } = records;
  if (!DURABILITIES.includes(durability)) throw new OptionError("records.durability", "option_invalid", "expected `synced` or `relaxed`");
  if (typeof behavior !== "boolean") throw new OptionError("behavior", "option_invalid", "expected true or false");
  if (report !== undefined && typeof report !== "function") throw new OptionError("report", "option_invalid", "expected a function");
  const behind_ms_max = integer(bundle, "behind_ms_max", 30_000, 100, HOUR_MS, "bundle.");
  return {
    urls: service === undefined ? null : baseUrls(service.url),
    keys: trustedKeys(bundle.keys),
    signers_min: integer(bundle, "signers_min", 1, 1, 2, "bundle."),
    age_ms_max: integer(facts, "age_ms_max", 5000, 400, HOUR_MS, "facts."),
    // One from a file is the application's own affair.
    behind_ms_max: bundle.file === undefined ? behind_ms_max : Infinity,
    poll_ms: integer(facts, "poll_ms", 1000, 50, HOUR_MS, "facts."),
    durability,
    unshipped_max: integer(records, "unshipped_max", 100_000, 1, 1_000_000_000, "records."),
    unshipped_ms_max: integer(records, "unshipped_ms_max", 60_000, 100, MS_MAX, "records."),
    queue_records_max: integer(records, "queue_records_max", 10_000, 1, 1_000_000, "records."),
    queue_bytes_max: integer(records, "queue_bytes_max", 64 * MIB, 64 * 1024, 1024 * MIB, "records."),
    batch_actions_max: limits.batch_actions_max,
    deadline_ms: limits.deadline_ms,
    time_skew_max_ms: integer(options, "time_skew_ms_max", 30_000, 0, HOUR_MS),
    approval_wait_ms: integer(options, "approval_wait_ms", 900_000, 1000, MS_MAX),
    ready_ms: integer(options, "ready_ms", 10_000, 1, MS_MAX),
    evaluation_fuel_max: integer(options, "evaluation_fuel_max", EVALUATION_FUEL.default, EVALUATION_FUEL.minimum, EVALUATION_FUEL.maximum),
    behavior,
  };
}

function checkFile(name: string, file: unknown): void {
  if (file !== undefined && (typeof file !== "string" || file === "")) throw new OptionError(name, "option_invalid", "expected a file");
}

/** One name in place of a list would be none of them. */
function checkNamesOf(name: string, list: unknown): void {
  if (list === undefined || (Array.isArray(list) && list.every((one) => typeof one === "string"))) return;
  throw new OptionError(name, "option_invalid", "expected a list of names");
}

function trustedKeys(given: string | readonly string[]): TrustedKeys {
  const pems: unknown = typeof given === "string" ? [given] : given;
  if (!Array.isArray(pems) || pems.length === 0) throw new OptionError("bundle.keys", "option_invalid", "expected public keys in PEM");
  return new Map(
    pems.map((pem: unknown, i) => {
      const at = typeof given === "string" ? "bundle.keys" : `bundle.keys.${i}`;
      // A key that signs has no place where bundles are only verified.
      if (typeof pem !== "string" || pem.includes("PRIVATE KEY"))
        throw new OptionError(at, "option_invalid", "expected a public key in PEM");
      let key: KeyObject;
      try {
        key = publicKey(pem);
      } catch (cause) {
        throw new OptionError(at, "option_invalid", "expected a public P-256 key in PEM", { cause });
      }
      return [keyId(key), key];
    }),
  );
}
