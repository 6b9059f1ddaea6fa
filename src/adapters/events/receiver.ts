/**
 * Takes Security Event Tokens, pushed and polled, and lets them take hold: verified, each once, in the order of what happened. A
 * token is answered for when what it does holds, is on record, and is remembered.
 */
import { hash, timingSafeEqual } from "node:crypto";
import { Problem, clip } from "../../contract/index.js";
import type { System } from "../../system/index.js";
import { SSF, readEvent, shortName, type ReadEvent } from "./event_types.js";
import type { Journal, AcceptedToken } from "./journal.js";
import type { EventFacts, EventAttribution } from "./ports.js";
import { SetRefused, type SetError } from "./refusals.js";
import { verifySet, type SetIssuer, type SetLimits, type VerifiedSet } from "./set_token.js";
import { readSubject, targetsOf, type EventSubjectMapping, type KnownSubject } from "./subjects.js";

/** Outcomes of accepted tokens. */
export const OUTCOMES = {
  applied: "it took hold",
  stale: "of what happened later, its transmitter has told already",
  no_effect: "an event that does nothing here",
  type_unknown: "an event of a type that isn't known",
  subject_unknown: "its subject is nobody here",
  subject_elsewhere: "its subject is somebody else's",
  subject_member_critical: "its subject has a member that has to be understood, and isn't",
  verified: "its stream is verified",
  stream_updated: "its stream has another status",
} as const;
export type ReceiptOutcome = keyof typeof OUTCOMES;

export interface Transmitter extends SetIssuer {
  name: string;
  mapping: EventSubjectMapping;
  /** Returns the `Authorization` that it has to send when it pushes; null: none is required. @throws Error if that can't be read */
  authorization: (() => string) | null;
}

/** Way by which a token came: polled from a transmitter, or pushed with or without an `Authorization`. */
export type TokenArrival = { polled: string } | { authorization: string | undefined };

/** State of a transmitter's stream. */
export interface StreamStatus {
  name: string;
  issuer: string;
  /** Accepted tokens by their outcome. */
  taken: Partial<Record<ReceiptOutcome, number>>;
  repeated: number;
  refused: Partial<Record<SetError, number>>;
  /** When the last one was taken, and how long after it was issued; null: none yet. */
  last_at: string | null;
  lag_ms: number | null;
  /** When an event last proved that its stream arrives; null: not since the start. */
  verified_at: string | null;
  /** Status that it last reported: `enabled`, `paused`, `disabled`. */
  status: string;
}

export interface ReceiverDeps {
  transmitters: readonly Transmitter[];
  facts: EventFacts;
  journal: Pick<Journal, "find" | "restored" | "add">;
  /** Puts on record what was taken. @throws Problem of the log */
  record: (by: string, detail: Readonly<Record<string, unknown>>) => Promise<void>;
  system: Pick<System, "clock">;
  limits: SetLimits & { under_way_max: number };
  /** Called for each accepted token, and for each change of a stream. */
  report: (outcome: ReceiptOutcome, fields: Readonly<Record<string, unknown>>) => void;
}

const REASON_LENGTH_MAX = 512;
const VERIFICATION = `${SSF}verification`;
const STREAM_UPDATED = `${SSF}stream-updated`;
const STATUSES = ["enabled", "paused", "disabled"];

export class Receiver {
  readonly #deps: ReceiverDeps;
  readonly #issuers: ReadonlyMap<string, Transmitter>;
  readonly #status: ReadonlyMap<string, StreamStatus>;
  /** Being taken now, by transmitter and `jti`. */
  readonly #underWay = new Map<string, { digest: string; done: Promise<void> }>();
  /** States that were asked for, by transmitter. */
  readonly #awaited = new Map<string, string>();
  readonly #unproven: Partial<Record<SetError, number>> = {};
  #count = 0;

  constructor(deps: ReceiverDeps) {
    this.#deps = deps;
    this.#issuers = new Map(deps.transmitters.map((transmitter) => [transmitter.issuer, transmitter]));
    this.#status = new Map(
      deps.transmitters.map(({ name, issuer }) => {
        const none = { last_at: null, lag_ms: null, verified_at: null, status: "enabled" };
        return [name, { name, issuer, taken: {}, repeated: 0, refused: {}, ...none }];
      }),
    );
  }

  get status(): readonly StreamStatus[] {
    return [...this.#status.values()];
  }

  /** Refused, and not proven to come from anyone, by the error. */
  get unproven(): Readonly<Partial<Record<SetError, number>>> {
    return this.#unproven;
  }

  /** Being taken now. */
  get queue(): number {
    return this.#count;
  }

  /** The next verification event of this transmitter has to say this. */
  awaitState(name: string, state: string): void {
    this.#awaited.set(name, state);
  }

  /**
   * Takes a token in compact form.
   * @throws SetRefused
   * @throws Problem of the moment (503): it may come again
   */
  async take(token: string, arrival: TokenArrival): Promise<void> {
    if (this.#count >= this.#deps.limits.under_way_max) throw new Problem("overloaded");
    this.#count++;
    try {
      await this.#take(token, arrival);
    } finally {
      this.#count--;
    }
  }

  async #take(token: string, arrival: TokenArrival): Promise<void> {
    const { limits, system, journal } = this.#deps;
    const verified = verifySet(token, this.#issuers, limits, system.clock.wall());
    const { set, issuer } = await counting(verified, this.#unproven);
    const { refused } = this.#statusOf(issuer.name);
    await counting(this.#takeVerified(set, issuer, arrival, journal), refused);
  }

  async #takeVerified(set: VerifiedSet, issuer: Transmitter, arrival: TokenArrival, journal: ReceiverDeps["journal"]): Promise<void> {
    checkArrival(issuer, arrival);
    const { name } = issuer;
    const key = `${name} ${set.jti}`;
    const before = this.#underWay.get(key) ?? journal.find(name, set.jti);
    if (before !== undefined) {
      // Two events under one name: whichever is meant, one of them would be lost in silence.
      if (before.digest !== set.digest) throw new SetRefused("invalid_request", "`jti`: another token had it");
      if ("done" in before) await before.done;
      this.#statusOf(name).repeated++;
      return;
    }
    const done = this.#takeNew(set, issuer);
    this.#underWay.set(key, { digest: set.digest, done });
    try {
      await done;
    } finally {
      this.#underWay.delete(key);
    }
  }

  async #takeNew(set: VerifiedSet, transmitter: Transmitter): Promise<void> {
    const { name } = transmitter;
    const { system, journal, record, report } = this.#deps;
    const by = `ssf:${name}/${set.jti}`;
    const now_ms = system.clock.wall();
    const { outcome, detail, restored } = await this.#letTakeHold(set, transmitter, by, now_ms);
    const said = { transmitter: name, jti: set.jti, type: set.type, outcome, ...detail };
    await record(by, { ...said, subject: set.subject ?? null, issued: iso(set.issued_ms) });
    await this.#remember(journal, { from: name, jti: set.jti, digest: set.digest, ...restored });
    const status = this.#statusOf(name);
    status.taken[outcome] = (status.taken[outcome] ?? 0) + 1;
    status.last_at = iso(now_ms);
    status.lag_ms = Math.max(0, now_ms - set.issued_ms);
    report(outcome, said);
  }

  async #remember(journal: ReceiverDeps["journal"], taken: AcceptedToken): Promise<void> {
    try {
      await journal.add(taken);
    } catch (cause) {
      throw new Problem("store_unavailable", {}, { cause });
    }
  }

  async #letTakeHold(
    set: VerifiedSet,
    transmitter: Transmitter,
    by: string,
    now_ms: number,
  ): Promise<{ outcome: ReceiptOutcome; detail: object; restored?: Pick<AcceptedToken, "restored"> }> {
    if (set.type === VERIFICATION) return { outcome: this.#verify(set, transmitter, now_ms), detail: {} };
    if (set.type === STREAM_UPDATED) return { outcome: this.#update(set, transmitter), detail: {} };
    const event = readEvent(set.type, set.event);
    if (!event.known) return { outcome: "type_unknown", detail: {} };
    if (set.subject === undefined) throw new SetRefused("invalid_request", "`sub_id`: expected whom it is about");
    const subject = readSubject(set.subject);
    const { effect } = event;
    if (effect === null) return { outcome: "no_effect", detail: {} };
    const { facts, journal } = this.#deps;
    const targets = targetsOf(subject, transmitter.mapping, facts);
    if (typeof targets === "string") return { outcome: targets, detail: {} };
    const told = toldOf(set, event, transmitter, by, now_ms);
    const { as_of_ms } = told;
    const named = targets.map(nameOf);
    // What it told of before comes late: it has told since that all is well again.
    const fresh =
      effect === "suspend" || effect === "end_session"
        ? targets.filter((target) => journal.restored(transmitter.name, nameOf(target)) <= as_of_ms)
        : targets;
    const { applied, durable } = await facts.apply(effect, fresh, told);
    // Acknowledged, it wouldn't come again; and nothing but it would bring this back after a crash.
    if (!durable) throw new Problem("store_unavailable");
    return {
      outcome: applied ? "applied" : "stale",
      detail: { effect, targets: named, as_of: iso(as_of_ms) },
      ...(effect === "restore" ? { restored: { restored: { targets: named, as_of_ms } } } : {}),
    };
  }

  /** SSF 1.0, section 8.1.4. */
  #verify({ event }: VerifiedSet, { name }: Transmitter, now_ms: number): ReceiptOutcome {
    const awaited = this.#awaited.get(name);
    // One that nobody asked for says nothing of its state.
    if (awaited !== undefined && event["state"] !== undefined && event["state"] !== awaited) throw new SetRefused("invalid_state");
    if (awaited === undefined || event["state"] === awaited) this.#statusOf(name).verified_at = iso(now_ms);
    if (event["state"] === awaited) this.#awaited.delete(name);
    return "verified";
  }

  #update({ event }: VerifiedSet, { name }: Transmitter): ReceiptOutcome {
    const { status } = event;
    if (typeof status !== "string" || !STATUSES.includes(status))
      throw new SetRefused("invalid_request", `\`events\`: \`status\`: expected ${STATUSES.join(", ")}`);
    this.#statusOf(name).status = status;
    return "stream_updated";
  }

  #statusOf(name: string): StreamStatus {
    const status = this.#status.get(name);
    if (status === undefined) throw new Error(`no transmitter is called ${name}`);
    return status;
  }
}

/** Counts a refusal by its error, and passes it on. */
async function counting<T>(taking: Promise<T>, refused: Partial<Record<SetError, number>>): Promise<T> {
  try {
    return await taking;
  } catch (cause) {
    if (cause instanceof SetRefused) refused[cause.code] = (refused[cause.code] ?? 0) + 1;
    throw cause;
  }
}

/** @throws SetRefused, and an Error where it can't be known now what it has to send */
function checkArrival({ name, authorization }: Transmitter, arrival: TokenArrival): void {
  if ("polled" in arrival) {
    if (arrival.polled !== name) throw new SetRefused("invalid_issuer");
  } else if (authorization !== null) {
    const digests = [authorization(), arrival.authorization ?? ""].map((text) => hash("sha256", text, "buffer"));
    const [wanted, given] = digests as [Buffer, Buffer];
    if (!timingSafeEqual(wanted, given))
      throw new SetRefused("authentication_failed", "`Authorization`: not what was given to its transmitter");
  }
}

/**
 * Returns the source of a change. The event's time is at most its issue time and now, whatever it says: otherwise it would outrank all
 * later events until then.
 */
function toldOf(
  { type, issued_ms }: VerifiedSet,
  { at_ms, why }: ReadEvent,
  { name }: Transmitter,
  by: string,
  now_ms: number,
): EventAttribution {
  const reason = clip(why === null ? shortName(type) : `${shortName(type)}: ${why}`, REASON_LENGTH_MAX);
  return { source: name, by, reason, as_of_ms: Math.floor(Math.min(at_ms ?? Infinity, issued_ms, now_ms)) };
}

function nameOf({ kind, id }: KnownSubject): string {
  return `${kind}/${id}`;
}

const iso = (ms: number): string => new Date(ms).toISOString();
