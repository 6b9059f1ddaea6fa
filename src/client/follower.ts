/**
 * Follows `GET /events`: knows which changes have come, whether they are being heard, and from which revision on all of them
 * were. What is kept or running asks it whether that still holds.
 */
import type { ChangeEvent, ReadyEvent } from "../contract/index.js";
import { within } from "./deadline.js";
import { EventReader, type Received } from "./event_source.js";
import type { Outside } from "./outside.js";
import type { Transport } from "./transport.js";

/** The work that a change may hit. */
export interface Work {
  agent: string;
  purpose: string;
  task: string | null;
}

/** `anew`: another bundle decides, or the facts are others, so whatever was decided before is void. */
type Kept = { what: "change"; change: ChangeEvent } | { what: "anew" };

/** What happened, as far as it matters to work. `live`, `silent`: changes are heard, or are no longer. */
export type Happened = Kept | { what: "live" | "silent" };

export type Listener = (happened: Happened) => void;

/** Until the service says how often something comes. */
const SILENT_MS_MAX = 10_000;
const HEARTBEAT_MS_MAX = 60_000;
const HEARTBEATS_MISSED = 3;
const RETRY_MS = 1000;
const RETRY_MS_MAX = 30_000;
const EVENT_LENGTH_MAX = 64 * 1024;
/** Changes that are kept for answers that are. One from before the oldest of them counts as dropped. */
const KEPT_MAX = 1024;
const NOTHING: readonly Kept[] = [];

export class Follower {
  readonly #transport: Transport;
  readonly #outside: Outside;
  readonly #head_ms: number;
  readonly #listeners = new Set<Listener>();
  /** The newest, each with its number: how many came before it. */
  #kept: Kept[] = [];
  #count = 0;
  #live = false;
  /** All changes after this revision were heard. */
  #heardFrom = Infinity;
  #lastId: string | null = null;
  #running: AbortController | null = null;
  #failed = 0;

  /** @param headMs until a stream has begun */
  constructor(transport: Transport, outside: Outside, headMs: number) {
    this.#transport = transport;
    this.#outside = outside;
    this.#head_ms = headMs;
  }

  /** How many changes have come: what `hit` counts from. */
  get mark(): number {
    return this.#count;
  }

  /** Whether every change after this revision has been heard, and the next will be. */
  covers(revision: number): boolean {
    return this.#live && revision >= this.#heardFrom;
  }

  /** What has come since the mark, as far as it is kept; null where that isn't all. */
  since(mark: number): readonly Kept[] | null {
    const since = this.#count - mark;
    if (since === 0) return NOTHING;
    return since > this.#kept.length ? null : this.#kept.slice(-since);
  }

  /** Whether something has come since the mark that may have narrowed an answer on this work and revision. */
  hit(mark: number, work: Work, revision: number): boolean {
    const since = this.since(mark);
    return since?.some((one) => one.what === "anew" || narrows(one.change, work, revision)) ?? true;
  }

  /** @returns what ends it */
  listen(listener: Listener): () => void {
    this.#listeners.add(listener);
    return () => {
      this.#listeners.delete(listener);
    };
  }

  /** Begins, if it hasn't. */
  start(): void {
    if (this.#running !== null) return;
    this.#running = new AbortController();
    void this.#run(this.#running.signal);
  }

  /** For good. */
  close(): void {
    (this.#running ??= new AbortController()).abort();
    this.#silent();
  }

  /** Resolves once changes are heard. @throws Undecided `deadline`, `cancelled` */
  async ready(ms: number, signal?: AbortSignal): Promise<void> {
    if (this.#live) return;
    let unlisten = (): void => undefined;
    const live = new Promise<void>((resolve) => {
      unlisten = this.listen(({ what }) => {
        if (what === "live") resolve();
      });
    });
    await within(this.#outside, ms, signal, () => live).finally(unlisten);
  }

  async #run(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      const reader = new EventReader();
      try {
        await this.#follow(reader, signal);
      } catch {
        // Whatever it was: nothing is heard, and that is what counts.
      }
      this.#silent();
      const wait = Math.min(RETRY_MS_MAX, (reader.retry_ms ?? RETRY_MS) * 2 ** Math.min(this.#failed++, 10));
      await this.#pause(wait, signal);
    }
  }

  /** One connection, until it ends. @throws Error where it breaks off, is silent for too long, or says what can't be read */
  async #follow(reader: EventReader, signal: AbortSignal): Promise<void> {
    const connection = new AbortController();
    const stop = (): void => {
      connection.abort();
    };
    signal.addEventListener("abort", stop);
    let silence_ms = SILENT_MS_MAX;
    let cancel = (): void => undefined;
    try {
      const headers = this.#lastId === null ? {} : { "last-event-id": this.#lastId };
      const response = await within(this.#outside, this.#head_ms, connection.signal, () =>
        this.#transport.open("events", "text/event-stream", headers, connection.signal),
      );
      const resumed = this.#lastId !== null;
      const stream = response.body?.getReader();
      connection.signal.addEventListener("abort", () => void stream?.cancel().catch(() => undefined));
      while (stream !== undefined) {
        cancel = this.#outside.after(silence_ms, stop);
        const { value } = (await stream.read()) as { value: Uint8Array | undefined };
        cancel();
        if (value === undefined) return;
        for (const received of reader.read(value)) {
          const beat_ms = this.#take(received, resumed);
          if (beat_ms !== null) silence_ms = HEARTBEATS_MISSED * Math.min(HEARTBEAT_MS_MAX, beat_ms);
        }
        this.#lastId = reader.lastId ?? this.#lastId;
        if (reader.pending > EVENT_LENGTH_MAX) return;
      }
    } finally {
      cancel();
      connection.abort();
      signal.removeEventListener("abort", stop);
    }
  }

  /** @returns how often something comes, where it says so */
  #take({ event, data }: Received, resumed: boolean): number | null {
    const said: unknown = JSON.parse(data);
    if (typeof said !== "object" || said === null) throw new TypeError("not an event of this service");
    switch (event) {
      case "change":
        this.#happened({ what: "change", change: said as ChangeEvent });
        return null;
      case "policy":
        this.#happened({ what: "anew" });
        return null;
      case "reset":
        this.#heardFrom = (said as { facts_revision: number }).facts_revision;
        this.#happened({ what: "anew" });
        return null;
      case "ready": {
        const { facts_revision, heartbeat_ms } = said as ReadyEvent;
        if (!resumed || this.#heardFrom === Infinity) this.#heardFrom = facts_revision;
        this.#failed = 0;
        this.#live = true;
        this.#tell({ what: "live" });
        return heartbeat_ms;
      }
      default:
        return null;
    }
  }

  #happened(happened: Kept): void {
    this.#count++;
    this.#kept.push(happened);
    if (this.#kept.length > 2 * KEPT_MAX) this.#kept = this.#kept.slice(-KEPT_MAX);
    this.#tell(happened);
  }

  #silent(): void {
    if (!this.#live) return;
    this.#live = false;
    this.#tell({ what: "silent" });
  }

  #tell(happened: Happened): void {
    for (const listener of [...this.#listeners]) listener(happened);
  }

  #pause(ms: number, signal: AbortSignal): Promise<void> {
    return within(this.#outside, ms, signal, () => new Promise<void>(() => undefined)).catch(() => undefined);
  }
}

/** Whether a change may concern this work: each of what it names is the work's own. */
export function hits(change: ChangeEvent, work: Work): boolean {
  return (
    (change.agent ?? work.agent) === work.agent &&
    (change.purpose ?? work.purpose) === work.purpose &&
    (change.task ?? work.task) === work.task
  );
}

/** One that the answer knew, since it was decided on that revision or a later one, is none; one that can't be read is one. */
export function narrows(change: ChangeEvent, work: Work, revision: number): boolean {
  const { narrows = true } = change as Partial<ChangeEvent>;
  return narrows && hits(change, work) && (change.revision ?? Infinity) > revision;
}

/** Whether it cuts off this very work, so that asking again would only say so later. */
export function cutsOff({ change, scope, of }: ChangeEvent, work: Work): boolean {
  if (change !== "revoked") return false;
  return scope === "everything" || (scope === "agent" && of === work.agent) || (scope === "task" && of === work.task);
}
