/** Logs of random records of every kind, equal for equal seeds, written as a service would write them. */
import { appendFileSync } from "node:fs";
import { join } from "node:path";
import { RECORD_VERSION, canonical } from "../../src/contract/index.js";
import { hash } from "node:crypto";
import { besideName, segmentName } from "../../src/audit/log/segments.js";

type Members = Record<string, unknown>;

/** Names that a terminal, a page or a pattern could take for something else, too. */
export const AGENTS = ["support-7", "billing-1", "a'; DROP TABLE terms; --", "%", "агент-7"];
export const PURPOSES = ["customer_support", "refunds"];
export const VERBS = ["read", "search", "delete"];
export const TYPES = ["invoice", "note", "customer"];
export const RULES = ["permitted", "not_permitted", "agent_revoked", "large_refund"];
export const SEVERITIES = ["info", "low", "medium", "high", "critical"];
export const CALLERS = ["gateway-1", "gateway-2", "\u001b[2Jgateway", "file"];
export const BUNDLES = ["a", "b"].map((letter) => `sha256:${letter.repeat(64)}`);
export const RESOURCES = ["I-1", "I-2", "I-10", "acme/eu/1", "acme/eu/2", "acme/us/1", "\u{1F600}x", "<b>bold</b>\n\u001b[31mred"];

export const PRINCIPALS = ["ada", "bob", "o'neill"];
export const OWNERS = ["desk@example.com", "%"];

export const START_MS = Date.UTC(2026, 10, 25);

/** xorshift32. */
export function drawing(seed: number): { below: (bound: number) => number; of: <T>(all: readonly T[]) => T } {
  let state = seed === 0 ? 1 : seed;
  const below = (bound: number): number => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return (state >>> 0) % bound;
  };
  return { below, of: (all) => all[below(all.length)] as (typeof all)[number] };
}

export interface Written {
  record: Members & { seq: number };
  beside: Members | null;
}

export interface LogOptions {
  seed?: number;
  segment_bytes?: number;
  /** The number of the first record: those before it were dropped. */
  first?: number;
  /** Whether some records have a part beside them. @default true */
  beside?: boolean;
  /** Time before the first record. @default START_MS */
  start_ms?: number;
}

/** A log's folder that grows. */
export class RandomLog {
  readonly written: Written[] = [];
  readonly #folder: string;
  readonly #draw: ReturnType<typeof drawing>;
  readonly #segmentBytes: number;
  readonly #hasBeside: boolean;
  #next: number;
  #segment = "";
  #bytes = Infinity;
  #now: number;
  #ids = 0;
  readonly #decisions: string[] = [];

  constructor(folder: string, { seed = 7, segment_bytes = 200_000, first = 1, beside = true, start_ms = START_MS }: LogOptions = {}) {
    this.#now = start_ms;
    this.#folder = folder;
    this.#draw = drawing(seed);
    this.#segmentBytes = segment_bytes;
    this.#hasBeside = beside;
    this.#next = first;
  }

  get last(): number {
    return this.#next - 1;
  }

  /** Milliseconds since the epoch, of the last record. */
  get now(): number {
    return this.#now;
  }

  grow(records: number): this {
    const lines: string[] = [];
    for (let i = 0; i < records; i++) {
      const { members, beside } = this.#record();
      this.#write(members, beside, lines);
    }
    this.#flush(lines);
    return this;
  }

  /** One of these members, whatever they are. */
  add(members: Members, beside: Members | null = null): number {
    const lines: string[] = [];
    this.#write({ v: RECORD_VERSION, time: this.#time(), ...members }, beside, lines);
    this.#flush(lines);
    return this.last;
  }

  /** A decision; what it says of itself may be replaced. */
  decide(members: Members = {}, answer: Members = {}, request: Members = {}): { seq: number; id: string } {
    const { members: made } = this.#decision("decision");
    const before = made["answer"] as Members;
    const input = { request: { ...this.#request(), ...request } };
    const seq = this.add({ ...made, input, request: undefined, floor: undefined, answer: { ...before, ...answer }, ...members });
    return { seq, id: String({ ...before, ...answer }["decision_id"]) };
  }

  #write(members: Members, beside: Members | null, lines: string[]): void {
    const seq = this.#next++;
    const text = beside === null ? "" : canonical(beside);
    const placed = beside === null ? {} : { beside: { bytes: Buffer.byteLength(text), digest: `sha256:${hash("sha256", text)}` } };
    const record = { ...members, ...placed, seq };
    const line = `${canonical(record)}\n`;
    if (this.#bytes >= this.#segmentBytes) {
      this.#flush(lines);
      this.#segment = segmentName(seq);
      this.#bytes = 0;
    }
    // What is beside comes first, and some of it is of records that were refused.
    if (beside !== null)
      appendFileSync(join(this.#folder, besideName(this.#segment)), `${this.#draw.below(3) === 0 ? '{"torn":\n' : ""}${text}\n`);
    this.#bytes += Buffer.byteLength(line);
    lines.push(line);
    this.written.push({ record: JSON.parse(line) as Written["record"], beside });
  }

  #flush(lines: string[]): void {
    if (lines.length > 0) appendFileSync(join(this.#folder, this.#segment), lines.splice(0).join(""));
  }

  #time(): string {
    // A clock that mostly goes on, and at times is put back.
    this.#now += this.#draw.below(100) === 0 ? -this.#draw.below(5000) : this.#draw.below(40);
    return new Date(this.#now).toISOString();
  }

  #id(): string {
    const hex = (digits: number): string => Array.from({ length: digits }, () => this.#draw.below(16).toString(16)).join("");
    const time = this.#now.toString(16).padStart(12, "0");
    this.#ids++;
    return `${time.slice(0, 8)}-${time.slice(8)}-7${hex(3)}-8${hex(3)}-${hex(12)}`;
  }

  #record(): { members: Members; beside: Members | null } {
    const kind = this.#draw.below(20);
    if (kind < 11) return this.#decision("decision");
    if (kind < 13) return this.#decision("observed");
    const common = { v: RECORD_VERSION, time: this.#time() };
    return { members: { ...common, ...this.#other(kind) }, beside: null };
  }

  #other(kind: number): Members {
    const { of, below } = this.#draw;
    const caller = of(CALLERS);
    switch (kind) {
      case 13:
        return of([
          { kind: "facts", caller, change: "agent_suspended", facts_revision: 1, reason: null, agent: { id: of(AGENTS) } },
          { kind: "facts", caller, change: "revoked", facts_revision: null, reason: "x", revocation: { id: `agent/${of(AGENTS)}` } },
          {
            kind: "facts",
            caller,
            change: "task_created",
            facts_revision: 2,
            reason: null,
            task: { id: `T-${below(30)}`, agent: of(AGENTS) },
          },
        ]);
      case 14:
        return { kind: "bundle", change: "activated", from: "path", policy: this.#policy() };
      case 15:
        return { kind: "service", change: of(["started", "stopped"]), durability: "synced", keys: [], origin: "o", version: "1" };
      case 16:
        return { kind: "refusal", code: of(["token_expired", "token_invalid"]), count: 1, since: new Date(this.#now).toISOString() };
      case 17:
        return { kind: "admin", caller, action: of(["publish", "export"]), detail: {} };
      case 18:
        if (below(2) === 0) return { kind: "lost", count: 1 + below(9) };
        return {
          kind: "notice",
          agent: of([null, ...AGENTS]),
          caller,
          code: of(["sensor_silent", "tool_changed"]),
          detail: {},
          id: this.#id(),
          message: "m",
          purpose: null,
          severity: of(["high", "info"]),
          ...(below(2) === 0 && { finding: "F-1" }),
        };
      default: {
        const known = this.#decisions.length > 0 && below(10) > 0;
        const decision_id = known ? of(this.#decisions) : this.#id();
        return { kind: "outcome", caller, decision_id, outcome: of(["done", "failed", "not_attempted"]), took_ms: below(900) };
      }
    }
  }

  #decision(kind: "decision" | "observed"): { members: Members; beside: Members | null } {
    const { of, below } = this.#draw;
    const decision = of(["allow", "allow", "allow", "deny", "deny", "flag"]);
    const decision_id = this.#id();
    this.#decisions.push(decision_id);
    const read = below(4) === 0 ? floored(this.#request()) : evaluated(this.#request());
    const isBeside = below(25) === 0 && this.#hasBeside;
    const members = {
      v: RECORD_VERSION,
      kind,
      time: this.#time(),
      asked: new Date(this.#now).toISOString(),
      caller: of(CALLERS),
      previous: null,
      stages: { evaluate_us: below(100), read_us: below(100) },
      answer: {
        action_digest: BUNDLES[0],
        decision,
        decision_id,
        facts_revision: below(9),
        ...(below(9) === 0 ? { finding: "F-1" } : {}),
        obligations: [],
        policy: this.#policy(),
        proceed: kind === "decision" && (decision === "allow" || (decision === "flag" && below(2) === 0)),
        reasons: Array.from({ length: 1 + below(3) }, () => ({
          effect: decision,
          code: of(RULES),
          severity: of(SEVERITIES),
          message: "because",
          params: {},
        })),
        valid_for_ms: below(5000),
      },
      ...(kind === "observed" && below(2) === 0 && { outcome: of(["done", "failed"]) }),
      ...(isBeside ? {} : read),
    };
    return { members, beside: isBeside ? read : null };
  }

  #policy(): Members {
    return { bundle: "support", revision: "r", sequence: 1, digest: this.#draw.of(BUNDLES) };
  }

  #request(): Request {
    const { of, below } = this.#draw;
    const id = below(6) === 0 ? null : below(3) === 0 ? `I-${below(400)}` : of(RESOURCES);
    const task = below(4) === 0 ? null : `T-${below(30)}`;
    return { agent: of(AGENTS), purpose: of(PURPOSES), task, verb: of(VERBS), resource: { type: of(TYPES), id } };
  }
}

type Request = Members & { agent: string; task: string | null };

/** Person that a task is for; some are for nobody. */
function principalOf({ task }: Request): string | null {
  return task === null ? null : ([...PRINCIPALS, null][Number(task.slice(2)) % 4] ?? null);
}

/** Parts of a record whose action the floor refused: it has read the task, and of the agent not the owner. */
function floored(request: Request): Members {
  const task = request.task === null ? null : { principal: principalOf(request) };
  return { floor: { now_ms: 1, task }, request };
}

/** Parts of a record whose action the policy was asked about. */
function evaluated(request: Request): Members {
  const owner = OWNERS[AGENTS.indexOf(request.agent) % OWNERS.length];
  return { input: { facts: { agent: { owner }, principal: principalOf(request) }, request } };
}
