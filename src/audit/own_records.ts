/** What a service records of itself, beside decisions and changes of facts: starts, bundles, whom it refused, what administrators did. */
import { RECORD_VERSION, aroundSeq, type Durability, type LogRecord } from "../contract/index.js";
import type { Log } from "../decision/ports.js";
import type { Clock, Timers } from "../system/index.js";

/** What a record has beside what each has. */
type Members<R> = R extends LogRecord ? Omit<R, "seq" | "time" | "v"> : never;
type OwnRecord = Members<Extract<LogRecord, { kind: "service" | "bundle" | "refusal" | "admin" | "lost" }>>;

export interface Described {
  version: string;
  origin: string;
  /** C2SP verifier keys. */
  keys: string[];
  durability: Durability;
  /** By what it is said what is usual; null: by nothing. */
  behavior: { agents_max: number; algorithm: number } | null;
}

/** Refusals of one code within this time share a record: whoever knocks without a key writes no log full. */
const REFUSALS_MS = 60_000;

export class OwnRecords {
  readonly #log: Log;
  readonly #clock: Clock;
  readonly #timers: Timers;
  readonly #described: Described;
  readonly #failed: (kind: string, cause: unknown) => void;
  /** By code: how many since its last record, and when the first of them came. */
  readonly #refusals = new Map<string, { count: number; since: string }>();

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

  /** Somebody had no right to ask: the first of a code is on record at once, and how many more within a minute. */
  refused(code: string): void {
    const known = this.#refusals.get(code);
    if (known !== undefined) {
      known.count++;
      return;
    }
    this.#refusals.set(code, { count: 0, since: this.#now() });
    this.note({ kind: "refusal", code, count: 1, since: this.#now() });
    this.#timers.after(REFUSALS_MS, () => {
      this.#tell(code);
    });
  }

  /** Puts on record what is only counted yet. */
  flush(): void {
    for (const code of this.#refusals.keys()) this.#tell(code);
  }

  #tell(code: string): void {
    const counted = this.#refusals.get(code);
    this.#refusals.delete(code);
    if (counted !== undefined && counted.count > 0) this.note({ kind: "refusal", code, ...counted });
  }

  #append(record: OwnRecord): Promise<void> {
    const { before, after } = aroundSeq({ ...record, time: this.#now(), v: RECORD_VERSION });
    return this.#log.append(before, after);
  }

  #now(): string {
    return new Date(this.#clock.wall()).toISOString();
  }
}
