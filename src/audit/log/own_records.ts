/**
 * Records of the service about itself, beside decisions and changes of facts: starts, bundles, refused callers, actions of administrators.
 */
import { RECORD_VERSION, aroundSeq, type Durability, type LogRecord } from "../../contract/index.js";
import type { Log } from "../../decision/ports.js";
import type { Clock, Timers } from "../../system/index.js";
import { Recent } from "../../system/recent.js";

/** Members of a record beside those that every record has. */
type Members<R> = R extends LogRecord ? Omit<R, "seq" | "time" | "v"> : never;
type OwnRecord = Members<Extract<LogRecord, { kind: "service" | "bundle" | "refusal" | "admin" | "lost" }>>;

export interface Described {
  version: string;
  origin: string;
  /** C2SP verifier keys. */
  keys: string[];
  durability: Durability;
  /** Settings by which the service learns baselines; null: it learns none. */
  behavior: { agents_max: number; algorithm: number; of_nodes?: true } | null;
}

/** Stands for callers beyond those that are told apart. */
const OTHERS = "remit";

/** Refusals of one code, and of one caller where it is proven, share a record within this time: whoever knocks without a key writes no log full. */
const REFUSALS_MS = 60_000;
/** Callers that are told apart within that time; those beyond share the record of those who aren't known. */
const REFUSED_MAX = 256;

/** Sign-ins that are known to be on record already; one that was forgotten comes to be there again. */
const SIGN_INS_MAX = 2048;

/** Searches of one caller and kind share a record within this time. */
const SEARCHES_MS = 60_000;
/** Pairs of caller and kind that are told apart within that time; those beyond share the record of their kind. */
const SEARCHED_MAX = 256;

interface Searches {
  caller: string;
  of: string;
  /** Since its last record. */
  count: number;
  looked_at: number;
  since: string;
}

interface Refusals {
  code: string;
  caller: string | null;
  /** Since its last record. */
  count: number;
  since: string;
}

export class OwnRecords {
  readonly #log: Log;
  readonly #clock: Clock;
  readonly #timers: Timers;
  readonly #described: Described;
  readonly #failed: (kind: string, cause: unknown) => void;
  /** Refusals by code and caller. */
  readonly #refusals = new Map<string, Refusals>();
  /** Searches by caller and kind. */
  readonly #searches = new Map<string, Searches>();
  readonly #signIns = new Recent<true>(SIGN_INS_MAX);

  /** @param failed told of a record that isn't on disk, where nobody waits for it */
  constructor(
    log: Log,
    { clock, timers }: { clock: Clock; timers: Timers },
    described: Described,
    failed: (kind: string, cause: unknown) => void,
  ) {
    this.#log = log;
    this.#clock = clock;
    this.#timers = timers;
    this.#described = described;
    this.#failed = failed;
  }

  /** @throws Problem of the log */
  service(change: "started" | "stopped"): Promise<void> {
    return this.#append({ kind: "service", change, ...this.#described });
  }

  /** Something happened that can't be held up for its record. */
  note(record: OwnRecord): void {
    this.#append(record).catch((cause: unknown) => {
      this.#failed(record.kind, cause);
    });
  }

  /** Before an administrator is given, or has done, what it asks for. @throws Problem of the log */
  admin(caller: string, action: string, detail: Record<string, unknown>): Promise<void> {
    return this.#append({ kind: "admin", caller, action, detail });
  }

  /**
   * A token says when its caller signed in: once for each sign-in, before whatever that token opens. Who lacks the time that an action needs
   * a sign-in for is then found in the log.
   */
  signedIn(caller: string, at_ms: number): void {
    const auth_time = new Date(at_ms).toISOString();
    const key = JSON.stringify([caller, auth_time]);
    if (this.#signIns.has(key)) return;
    this.#signIns.set(key, true);
    this.#append({ kind: "admin", caller, action: "signed_in", detail: { auth_time } }).catch((cause: unknown) => {
      this.#signIns.delete(key);
      this.#failed("admin", cause);
    });
  }

  /**
   * Somebody had no right to ask: the first of a code and a caller is on record at once, and how many more within a minute.
   * @param caller null: nobody knows who it was
   */
  refused(code: string, caller: string | null): void {
    const key = JSON.stringify([code, caller]);
    const known = this.#refusals.get(key);
    if (known !== undefined) {
      known.count++;
      return;
    }
    if (caller !== null && this.#refusals.size >= REFUSED_MAX) {
      this.refused(code, null);
      return;
    }
    const refusals = { code, caller, count: 0, since: this.#now() };
    this.#refusals.set(key, refusals);
    this.#note({ ...refusals, count: 1 });
    this.#timers.after(REFUSALS_MS, () => {
      this.#tell(key);
    });
  }

  /**
   * Somebody searched, which decides nothing and may show what is permitted or was done: the first of a caller and kind is on record at
   * once, and how many more within a minute.
   * @param of what was searched: `authzen.resource`, `records`
   * @param looked_at candidates that were asked about
   */
  searched(caller: string, of: string, looked_at: number): void {
    const key = JSON.stringify([caller, of]);
    const known = this.#searches.get(key);
    if (known !== undefined) {
      known.count++;
      known.looked_at += looked_at;
      return;
    }
    if (caller !== OTHERS && this.#searches.size >= SEARCHED_MAX) {
      this.searched(OTHERS, of, looked_at);
      return;
    }
    const since = this.#now();
    this.#searches.set(key, { caller, of, count: 0, looked_at: 0, since });
    this.#noteSearches({ caller, of, count: 1, looked_at, since });
    this.#timers.after(SEARCHES_MS, () => {
      this.#tellSearches(key);
    });
  }

  /** Puts on record what is only counted yet. */
  flush(): void {
    for (const key of this.#searches.keys()) this.#tellSearches(key);
    for (const key of this.#refusals.keys()) this.#tell(key);
  }

  #tellSearches(key: string): void {
    const counted = this.#searches.get(key);
    this.#searches.delete(key);
    if (counted !== undefined && counted.count > 0) this.#noteSearches(counted);
  }

  #noteSearches({ caller, ...detail }: Searches): void {
    this.note({ kind: "admin", caller, action: "search", detail });
  }

  #tell(key: string): void {
    const counted = this.#refusals.get(key);
    this.#refusals.delete(key);
    if (counted !== undefined && counted.count > 0) this.#note(counted);
  }

  #note({ caller, ...refusals }: Refusals): void {
    this.note({ kind: "refusal", ...refusals, ...(caller !== null && { caller }) });
  }

  #append(record: OwnRecord): Promise<void> {
    const { before, after } = aroundSeq({ ...record, time: this.#now(), v: RECORD_VERSION });
    return this.#log.append(before, after);
  }

  #now(): string {
    return new Date(this.#clock.wall()).toISOString();
  }
}
