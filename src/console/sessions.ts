/** People who are signed in. In memory alone: a restart signs everybody out, and no file has anything to steal. */
import { createHmac, hash, timingSafeEqual } from "node:crypto";
import type { Scope } from "../contract/index.js";
import type { System } from "../system/index.js";

export interface Person {
  /** Name of the person in tokens and records, within the console's issuer. */
  id: string;
  scopes: ReadonlySet<Scope>;
  /** When the person signed in, by the wall clock; null if every sign-in counts as recent: by an address that only this machine's user can read. */
  signed_in_ms: number | null;
}

export interface SignedInSession {
  readonly person: Person;
  /** Token that the page sends with whatever changes anything. */
  readonly csrf: string;
  /** Called once, when the session ends. */
  readonly ended: Set<() => void>;
}

interface StoredSession extends SignedInSession {
  begun_ms: number;
  used_ms: number;
}

export interface SessionLimits {
  idle_ms: number;
  lasts_ms: number;
}

/** Sessions at once; of whoever has most the one that was used longest ago ends first. */
const SESSIONS_MAX = 1000;
/** Sessions of one person, who would otherwise sign everybody else out by signing in again and again. */
const SESSIONS_OF_ONE = 16;
const ID_BYTES = 32;
const ID = /^[A-Za-z0-9_-]{43}$/;

export class Sessions {
  readonly #limits: SessionLimits;
  readonly #system: Pick<System, "clock" | "random">;
  /** Sessions by the digest of their id: whoever reads this memory has no id. */
  readonly #kept = new Map<string, StoredSession>();
  readonly #key = new Uint8Array(ID_BYTES);

  constructor(limits: SessionLimits, system: Pick<System, "clock" | "random">) {
    this.#limits = limits;
    this.#system = system;
    system.random.fill(this.#key);
  }

  get size(): number {
    return this.#kept.size;
  }

  /** Begins a session. @returns its id, which only the person's browser keeps */
  begin(person: Person): string {
    this.#expire();
    const own = this.#of(person.id);
    if (own.length >= SESSIONS_OF_ONE) this.#end(oldest(own));
    if (this.#kept.size >= SESSIONS_MAX) this.#end(this.#mostHeld());
    const id = secret(this.#system.random);
    const now = this.#system.clock.monotonic();
    const csrf = createHmac("sha256", this.#key).update(id).digest("base64url");
    this.#kept.set(digestOf(id), { person, csrf, ended: new Set(), begun_ms: now, used_ms: now });
    return id;
  }

  /** Returns a session that isn't over, and counts it as used; null for any other id. */
  use(id: string | null): SignedInSession | null {
    if (id === null || !ID.test(id)) return null;
    const key = digestOf(id);
    const kept = this.#kept.get(key);
    if (kept === undefined) return null;
    const now = this.#system.clock.monotonic();
    if (this.#isOver(kept, now)) {
      this.#end(key);
      return null;
    }
    kept.used_ms = now;
    return kept;
  }

  end(id: string): void {
    this.#end(digestOf(id));
  }

  /** Ends all sessions of a person: the service takes none of that person's tokens any more. */
  endOf(person: string): void {
    for (const [key] of this.#of(person)) this.#end(key);
  }

  #of(person: string): [string, StoredSession][] {
    return [...this.#kept].filter(([, kept]) => kept.person.id === person);
  }

  /** Ends sessions whose time is over, so that what they hold open ends too. */
  #expire(): void {
    const now = this.#system.clock.monotonic();
    for (const [key, kept] of [...this.#kept]) if (this.#isOver(kept, now)) this.#end(key);
  }

  /** Called from time to time. */
  sweep(): void {
    this.#expire();
  }

  #isOver({ begun_ms, used_ms }: StoredSession, now: number): boolean {
    return now - used_ms > this.#limits.idle_ms || now - begun_ms > this.#limits.lasts_ms;
  }

  /** Returns the oldest session of whoever has most. */
  #mostHeld(): string {
    const counts = new Map<string, number>();
    for (const { person } of this.#kept.values()) counts.set(person.id, (counts.get(person.id) ?? 0) + 1);
    const most = Math.max(...counts.values());
    return oldest([...this.#kept].filter(([, { person }]) => counts.get(person.id) === most));
  }

  #end(key: string): void {
    const kept = this.#kept.get(key);
    if (kept === undefined) return;
    this.#kept.delete(key);
    for (const tell of kept.ended) tell();
    kept.ended.clear();
  }
}

function oldest(sessions: readonly [string, StoredSession][]): string {
  return sessions.reduce((a, b) => (b[1].used_ms < a[1].used_ms ? b : a))[0];
}

/** Returns 256 random bits as text for a URL or a cookie. */
export function secret(random: System["random"]): string {
  const bytes = new Uint8Array(ID_BYTES);
  random.fill(bytes);
  return Buffer.from(bytes).toString("base64url");
}

/** Compares two texts in a time that says nothing of where they differ. */
export function isSame(a: string, b: string): boolean {
  return timingSafeEqual(Buffer.from(digestOf(a)), Buffer.from(digestOf(b)));
}

const digestOf = (id: string): string => hash("sha256", id);
