/**
 * Takes what engines in applications have decided into the service's own log, each marked with the engine that says so: there people
 * find it, and what is usual for its agent is learned from it too. What comes twice is known again. Nothing in it permits anything.
 */
import { hash } from "node:crypto";
import { actIn } from "../audit/fold.js";
import { knownDecision } from "../audit/known_decision.js";
import type { RecordSearch } from "../audit/index/search.js";
import type { LogEntry, SegmentLog } from "../audit/log.js";
import {
  DecisionRecord,
  OutcomeRecord,
  Problem,
  aroundSeq,
  type Act,
  type Answer,
  type Assessment,
  type HandIn,
  type HandedIn,
  type PolicyInput,
} from "../contract/index.js";
import { outcomeOf } from "../decision/act.js";
import type { Outcomes } from "../decision/outcomes.js";
import type { Caller, Identity, KeptProfile } from "../decision/ports.js";
import { schemas } from "../system/schemas.js";

export interface HandedInDeps {
  log: Pick<SegmentLog, "appendAll" | "seq" | "queue" | "queue_max">;
  search: RecordSearch;
  identity: Pick<Identity, "mayAskFor">;
  profile: KeptProfile;
  outcomes: Outcomes;
  /** Told of each in the turn in which its record is handed over. */
  settled: (answer: Answer, learned: { act: Act; assessed: Assessment } | null) => void;
}

const ajv = schemas({ strictTypes: false, ownProperties: true });
const isDecision = ajv.compile<DecisionRecord>(DecisionRecord);
const isOutcome = ajv.compile<OutcomeRecord>(OutcomeRecord);
/** Engines of which it is remembered how far they have come. */
const ENGINES_MAX = 10_000;

/** One that can be taken. */
type Read =
  | { seq: number; kind: "outcome"; record: OutcomeRecord }
  | { seq: number; kind: "decision"; record: DecisionRecord; whole: DecisionRecord; beside: string | undefined };

type Refused = HandedIn["refused"][number];

export class HandedInRecords {
  readonly #deps: HandedInDeps;
  /** The last `seq` of each engine that is on record; not of those that nobody has heard of since the start. */
  readonly #last = new Map<string, number>();
  /** One after the other for each engine. */
  readonly #turns = new Map<string, Promise<unknown>>();

  constructor(deps: HandedInDeps) {
    this.#deps = deps;
  }

  /**
   * Resolves when all of them are dealt with.
   * @throws Problem `log_unavailable`, `log_backlog`, `index_unavailable`: they have to be handed in again, whole
   */
  take(caller: Caller, asked: HandIn): Promise<HandedIn> {
    const engine = JSON.stringify([caller.id, asked.origin]);
    const taken = (this.#turns.get(engine) ?? Promise.resolve()).then(() => this.#take(engine, caller, asked));
    const done = taken
      .catch(() => undefined)
      .then(() => {
        if (this.#turns.get(engine) === done) this.#turns.delete(engine);
      });
    this.#turns.set(engine, done);
    return taken;
  }

  async #take(engine: string, caller: Caller, { origin, records }: HandIn): Promise<HandedIn> {
    const refused: Refused[] = [];
    const fresh: Read[] = [];
    let known = 0;
    const last = this.#last.get(engine);
    let before = 0;
    for (const given of records) {
      const read = this.#read(given, caller, before);
      if ("code" in read) refused.push(read);
      else {
        before = read.seq;
        if (await this.#isKnown(read, last)) known++;
        else fresh.push(read);
      }
    }
    await this.#decisions(fresh, caller, origin);
    for (const read of fresh) if (read.kind === "outcome") await this.#outcome(read, caller, refused);
    this.#remember(engine, Math.max(before, last ?? 0));
    const answered = new Set(refused.map(({ seq }) => seq));
    const taken = fresh.filter(({ seq, kind }) => kind === "decision" || !answered.has(seq)).length;
    return { taken, known, refused };
  }

  /** After a start nobody remembers how far an engine has come: then the records say it. */
  async #isKnown(read: Read, last: number | undefined): Promise<boolean> {
    if (last !== undefined) return read.seq <= last;
    if (read.kind === "outcome") return false;
    return (await knownDecision(this.#deps.search, read.record.answer.decision_id)) !== null;
  }

  #read({ record, beside }: HandIn["records"][number], caller: Caller, before: number): Read | Refused {
    const seq = Number.isSafeInteger(record["seq"]) ? (record["seq"] as number) : before;
    const refuse = (field: string, expected: string): Refused => ({ seq, code: "record_invalid", field, expected });
    if (seq <= before) return refuse("/seq", "more than that of the record before");
    if (record["kind"] === "outcome") {
      if (!isOutcome(record)) return refuse(isOutcome.errors?.[0]?.instancePath ?? "", "a record of an outcome");
      return record.caller === caller.id ? { seq, kind: "outcome", record } : refuse("/caller", "who hands it in");
    }
    if (!isDecision(record)) return refuse(isDecision.errors?.[0]?.instancePath ?? "", "a record of a decision");
    if (record.kind !== "decision") return refuse("/kind", "`decision` or `outcome`");
    if (record.caller !== caller.id) return refuse("/caller", "who hands it in");
    if (record.engine !== undefined) return refuse("/engine", "nothing: it is marked when it is taken");
    // What is counted is counted here.
    if (record.uses !== undefined) return refuse("/uses", "nothing: uses are the service's to give");
    const whole = withBeside(record, beside);
    if (whole === null) return refuse("/beside", "what it names by its digest, and nothing else");
    const request = requestOf(whole);
    if (request === null) return refuse("/input", "what was asked");
    const { agent, purpose } = request;
    if (record.answer.decision !== "deny" && !this.#deps.identity.mayAskFor(caller, agent, purpose))
      return refuse("/input/request/agent", "an agent and a purpose that `callers` gives this caller");
    return { seq, kind: "decision", record, whole, beside };
  }

  async #decisions(fresh: readonly Read[], caller: Caller, origin: string): Promise<void> {
    const { log, profile, outcomes, settled } = this.#deps;
    const decisions = fresh.filter((read) => read.kind === "decision");
    if (decisions.length === 0) return;
    if (log.queue.records > log.queue_max.records / 2 || log.queue.bytes > log.queue_max.bytes / 2)
      throw new Problem("log_backlog");
    if (!profile.ready) throw new Problem("log_unavailable");
    const { seq } = log;
    const recorded = log.appendAll(decisions.map((read) => entryOf(read, origin)));
    const isTaken = log.seq !== seq;
    // In the turn of the hand-over, so that what is learned is what the records say in their order.
    for (const { whole } of isTaken ? decisions : []) {
      const act = profile.learns ? actIn(whole) : null;
      const assessed = act === null ? null : profile.assess(act);
      if (act !== null) profile.learn(act, outcomeOf(whole.answer));
      settled(whole.answer, act === null || assessed === null ? null : { act, assessed });
    }
    try {
      await recorded;
    } catch (cause) {
      if (isTaken) profile.unrecorded();
      throw cause;
    }
    for (const { record } of decisions) outcomes.remember(record.answer.decision_id, caller.id, record.answer.proceed);
  }

  async #outcome({ seq, record }: Extract<Read, { kind: "outcome" }>, caller: Caller, refused: Refused[]): Promise<void> {
    const { decision_id, outcome, took_ms, amount, detail } = record;
    const said = {
      outcome,
      ...(took_ms !== undefined && { took_ms }),
      ...(amount !== undefined && { amount }),
      ...(detail !== undefined && { detail }),
    };
    try {
      await this.#deps.outcomes.report(decision_id, caller.id, said);
    } catch (cause) {
      if (!(cause instanceof Problem) || cause.status >= 500) throw cause;
      refused.push({ seq, code: cause.code });
    }
  } // prettier-ignore

  #remember(engine: string, seq: number): void {
    this.#last.delete(engine);
    this.#last.set(engine, seq);
    if (this.#last.size <= ENGINES_MAX) return;
    const [oldest] = this.#last.keys();
    if (oldest !== undefined) this.#last.delete(oldest);
  }
}

/** With what stands beside it; null where that isn't what it names. */
function withBeside(record: DecisionRecord, text: string | undefined): DecisionRecord | null {
  if (record.beside === undefined || text === undefined) return record.beside === undefined && text === undefined ? record : null;
  if (Buffer.byteLength(text) !== record.beside.bytes || `sha256:${hash("sha256", text)}` !== record.beside.digest) return null;
  try {
    const beside: unknown = JSON.parse(text);
    return typeof beside === "object" ? { ...record, ...beside } : null;
  } catch {
    return null;
  }
} // prettier-ignore

function requestOf({ input, request }: DecisionRecord): { agent: string; purpose: string } | null {
  const asked = (input as PolicyInput | undefined)?.request ?? request;
  if (typeof asked !== "object") return null;
  const { agent, purpose } = asked as { agent?: unknown; purpose?: unknown };
  return typeof agent === "string" && typeof purpose === "string" ? { agent, purpose } : null;
}

function entryOf({ record, beside, seq }: Extract<Read, { kind: "decision" }>, origin: string): LogEntry {
  const marked = { ...record, engine: { origin, seq } };
  const { before, after } = aroundSeq(Object.fromEntries(Object.entries(marked).filter(([name]) => name !== "seq")));
  return {
    before,
    after,
    ...(beside !== undefined &&
      record.beside !== undefined && { beside: { digest: record.beside.digest, text: beside } }),
  };
}
