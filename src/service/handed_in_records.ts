/**
 * Records decisions of engines in applications in the service's own log, each marked with the engine that sent it: there people find them,
 * and the agents' baselines learn from them too. What comes twice is recognised. Nothing in it permits anything.
 */
import { hash } from "node:crypto";
import { actIn } from "../audit/log/fold.js";
import type { DecidedBy } from "../records/ask.js";
import type { RecordSearch } from "../records/search.js";
import type { LogEntry, SegmentLog } from "../audit/log/log.js";
import {
  DecisionRecord,
  OutcomeRecord,
  Problem,
  TASK_LEVELS_MAX,
  aroundSeq,
  parseTime,
  type Act,
  type Answer,
  type Assessment,
  type HandIn,
  type HandedIn,
  type PolicyInput,
} from "../contract/index.js";
import { outcomeOf } from "../decision/act.js";
import { opensFinding } from "../decision/answer.js";
import type { OutcomeReports } from "../decision/outcomes.js";
import type { IncidentPort } from "../decision/pdp.js";
import type { Caller, Identity, KeptProfile, Task } from "../decision/ports.js";
import { QUIET_MS } from "../findings/incidents.js";
import { findingIds, openedMs } from "../findings/about.js";
import { Turns } from "../system/turns.js";
import { without } from "../system/without.js";
import { isAsked, isRefused } from "../replay/shapes.js";
import { FairMap } from "../system/fair_map.js";
import { schemas } from "../system/schemas.js";
import type { Clock } from "../system/index.js";
import type { HandInRoom } from "../http/rooms.js";

export interface HandedInDeps {
  log: Pick<SegmentLog, "appendAll" | "seq" | "queue" | "queue_max">;
  search: RecordSearch;
  identity: Pick<Identity, "mayAskFor">;
  profile: KeptProfile;
  outcomes: OutcomeReports;
  /** Which finding a record belongs to: an engine's own grouping isn't believed. */
  incidents: IncidentPort;
  /** Returns true if a finding has this id. */
  isFinding: (id: string) => boolean;
  /** Returns whether an agent is registered, and whether a purpose belongs to the active bundle: nothing is learned of others. */
  isKnown: (agent: string, purpose: string) => { agent: boolean; purpose: boolean };
  newId: () => string;
  clock: Pick<Clock, "wall">;
  time_skew_max_ms: number;
  /** Called for each decision in the turn in which its record is handed over. */
  settled: (answer: Answer, learned: { act: Act; assessed: Assessment }) => void;
  /** Looks a task up among the facts. */
  findTask: (id: string) => Pick<Task, "agent" | "ended" | "parent"> | undefined;
  /** Called with the topmost task of each decision that permitted: what its agent has read since isn't known here. */
  elsewhere: (task: string) => void;
}

const ajv = schemas({ strictTypes: false, ownProperties: true });
const isDecision = ajv.compile<DecisionRecord>(DecisionRecord);
const isOutcome = ajv.compile<OutcomeRecord>(OutcomeRecord);
/** Members that are stored beside a record; all others are in it. */
const BESIDE = new Set(["ancestors", "floor", "input", "masked", "not_live", "request"]);
const DECISION_ID = /^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/;
/**
 * Age in milliseconds up to which a record teaches. An older one is only recorded: an engine that was down for long must not set today's
 * baseline. 24 hours.
 */
const TEACHES_MS_MAX = 24 * 3_600_000;
/** No zone is further from UTC, with room. */
const OFFSET_MS_MAX = 26 * 3_600_000;
const ASKED_AT_ONCE = 8;
const RECORDED_AT_ONCE = 64;
/** Engines of which it is remembered how far they have come; beyond, the caller with most loses its oldest. */
const ENGINES_MAX = 10_000;

/** One that can be taken. */
type Read =
  | { seq: number; kind: "outcome"; record: OutcomeRecord }
  | { seq: number; kind: "decision"; record: DecisionRecord; asked: AskedAction; act: Act | null; beside: string | undefined };

/** Action of a record, with the time at which it was decided. */
interface AskedAction {
  agent: string;
  purpose: string;
  verb: string;
  type: string;
  id: string | null;
  now_ms: number;
}

/** Topmost task of a decision; null: it was on none. */
function rootOf({ input }: DecisionRecord, beside: string | undefined): string | null {
  const whole = input ?? (beside === undefined ? undefined : (JSON.parse(beside) as { input?: unknown }).input);
  return (whole as PolicyInput | undefined)?.facts.task.root ?? null;
}

type ReadDecision = Extract<Read, { kind: "decision" }>;

type Standing = "known" | "another's";
type Refused = HandedIn["refused"][number];

export class HandedInRecords implements HandInRoom {
  readonly #deps: HandedInDeps;
  /** Number of records at the start. */
  readonly #from: number;
  /** The last `seq` of each engine that is on record; not of those that nobody has heard of since the start. */
  readonly #last = new FairMap<number>(ENGINES_MAX);
  /** One after the other for each engine. */
  readonly #turns = new Turns();

  constructor(deps: HandedInDeps) {
    this.#deps = deps;
    this.#from = deps.log.seq;
  }

  take(caller: Caller, asked: HandIn): Promise<HandedIn> {
    const engine = JSON.stringify([caller.id, asked.origin]);
    return this.#turns.take(engine, () => this.#take(engine, caller, asked));
  }

  async #take(engine: string, caller: Caller, { origin, records }: HandIn): Promise<HandedIn> {
    const refused: Refused[] = [];
    const last = this.#last.get(engine) ?? 0;
    const read: Read[] = [];
    const ids = new Set<string>();
    let known = 0;
    let before = 0;
    for (const given of records) {
      const one = this.#read(given, caller, before);
      if ("code" in one) refused.push(one);
      else {
        before = one.seq;
        // An outcome is known again by whoever is told of it.
        if (one.kind === "decision" && one.seq <= last) known++;
        else if (one.kind === "decision" && ids.has(one.record.answer.decision_id))
          refused.push(refusal(one.seq, "/answer/decision_id", "an id of its own"));
        else read.push(one);
        if (one.kind === "decision") ids.add(one.record.answer.decision_id);
      }
    }
    const stands = await this.#standing(read, origin, caller);
    const fresh = read.filter((one) => {
      const standing = stands.get(one);
      if (standing === "known") known++;
      if (standing === "another's") refused.push(refusal(one.seq, "/answer/decision_id", "an id of its own"));
      return standing === undefined;
    });
    await this.#decisions(fresh, caller, origin);
    this.#last.set(caller.id, engine, Math.max(before, last));
    await this.#outcomes(fresh, caller, refused);
    const answered = new Set(refused.map(({ seq }) => seq));
    return { taken: fresh.filter(({ seq, kind }) => kind === "decision" || !answered.has(seq)).length, known, refused };
  }

  /**
   * Finds the decisions that are on record already, either as this very one or as another.
   * @throws Problem `index_unavailable`
   */
  async #standing(read: readonly Read[], origin: string, caller: Caller): Promise<Map<Read, Standing>> {
    const { search, outcomes } = this.#deps;
    const decisions = read.filter((one) => one.kind === "decision");
    const stands = new Map<Read, Standing>();
    if (decisions.length === 0) return stands;
    // What was decided since the start is remembered; what was before that has to be in the index.
    if (search.indexedTo < this.#from) throw new Problem("index_unavailable");
    const ids = decisions.map(({ record }) => record.answer.decision_id);
    const found = JSON.parse((await search.ask({ kind: "decided", ids })) ?? "[]") as (DecidedBy | null)[];
    for (const [i, one] of decisions.entries()) {
      const by = found[i] ?? null;
      if (by !== null) {
        const isThis = by.caller === caller.id && by.engine?.origin === origin && by.engine.seq === one.seq;
        stands.set(one, isThis ? "known" : "another's");
      } else if (outcomes.knows(one.record.answer.decision_id)) stands.set(one, "another's");
    }
    return stands;
  }

  #read({ record, beside }: HandIn["records"][number], caller: Caller, before: number): Read | Refused {
    const seq = Number.isSafeInteger(record["seq"]) ? (record["seq"] as number) : before;
    if (seq <= before) return refusal(seq, "/seq", "more than that of the record before");
    if (record["kind"] === "outcome") {
      if (!isOutcome(record)) return refusal(seq, isOutcome.errors?.[0]?.instancePath ?? "", "a record of an outcome");
      return record.caller === caller.id ? { seq, kind: "outcome", record } : refusal(seq, "/caller", "who hands it in");
    }
    if (!isDecision(record)) return refusal(seq, isDecision.errors?.[0]?.instancePath ?? "", "a record of a decision");
    const whole = withBeside(record, beside);
    if (whole === null) return refusal(seq, "/beside", "what it names by its digest, and nothing else");
    const misshapen = misshapenAt(whole);
    if (misshapen !== null) return refusal(seq, misshapen, "what a decision is made of, as engines write it");
    const asked = askedIn(whole);
    if (asked === null) return refusal(seq, "/input", "what was asked");
    const fault = this.#faultOf(record, whole, asked, caller);
    if (fault !== null) return refusal(seq, ...fault);
    const { clock, isKnown } = this.#deps;
    const known = isKnown(asked.agent, asked.purpose);
    const isOld = (parseTime(record.time) ?? 0) < clock.wall() - TEACHES_MS_MAX;
    if (isOld || record.act === undefined || !known.agent || !known.purpose) {
      const untaught = Object.fromEntries(Object.entries(record).filter(([name]) => name !== "act"));
      return { seq, kind: "decision", record: untaught as DecisionRecord, asked, act: null, beside };
    }
    try {
      const act = actIn(whole);
      if (act !== null) return { seq, kind: "decision", record, asked, act, beside };
    } catch {
      // As below.
    }
    return refusal(seq, "/act", "what can be learned from");
  }

  /** Returns the fault of a decision's record; null: none that can be seen. */
  #faultOf(record: DecisionRecord, whole: DecisionRecord, asked: AskedAction, caller: Caller): [field: string, expected: string] | null {
    const { answer, engine, kind, uses, act } = record;
    const { clock, identity, time_skew_max_ms } = this.#deps;
    if (kind !== "decision") return ["/kind", "`decision` or `outcome`"];
    if (record.caller !== caller.id) return ["/caller", "who hands it in"];
    if (engine !== undefined) return ["/engine", "nothing: it is marked when it is taken"];
    for (const name of ["at", "outcome", "unasked"])
      if (Object.hasOwn(record, name)) return [`/${name}`, "nothing: it is for what was observed"];
    if (Math.abs(act?.offset_ms ?? 0) > OFFSET_MS_MAX) return ["/act/offset_ms", "an offset of some zone"];
    if (Object.hasOwn(whole, "seen")) return ["/seen", "nothing: what a task has seen is the service's to say"];
    // What is counted is counted here.
    if (uses !== undefined) return ["/uses", "nothing: uses are the service's to give"];
    if (!DECISION_ID.test(answer.decision_id)) return ["/answer/decision_id", "a UUID of version 7"];
    const isSound = answer.decision === "allow" ? answer.proceed : answer.decision === "flag" || !answer.proceed;
    if (!isSound) return ["/answer/proceed", "what fits the decision"];
    if (answer.wait !== undefined && (answer.decision !== "flag" || answer.proceed)) return ["/answer/wait", "a flag that doesn't proceed"];
    if (answer.finding !== undefined && answer.finding !== `F-${answer.decision_id}`) return ["/answer/finding", "its own"];
    const [time, began] = [parseTime(record.time), parseTime(record.asked)];
    if (time === null || time > clock.wall() + time_skew_max_ms) return ["/time", "a time that has been"];
    if (began === null || began > clock.wall() + time_skew_max_ms) return ["/asked", "a time that has been"];
    if (asked.now_ms !== time) return ["/time", "that on which it was decided"];
    if (answer.proceed && !this.#isOnItsOwnTask(whole)) return ["/input/facts/task", "a task of this agent, and the topmost task above it"];
    if (identity.mayAskFor(caller, asked.agent, asked.purpose)) return null;
    // An engine says so itself, and that it tells nothing of the agent.
    const isRefused = answer.decision === "deny" && whole.floor !== undefined && act === undefined && answer.finding === undefined;
    return isRefused ? null : ["/input/request/agent", "an agent and a purpose that `callers` gives this caller"];
  }

  /**
   * Returns whether the topmost task of a record is that of the agent's own task: of other agents' tasks nothing may become unknown.
   * Nothing rests on a task that has ended, or that isn't known here.
   */
  #isOnItsOwnTask({ input }: DecisionRecord): boolean {
    const { facts, request } = input as unknown as PolicyInput;
    const { findTask } = this.#deps;
    const { root } = facts.task;
    if (root === null || findTask(root)?.ended !== false) return true;
    let at = request.task;
    if (at === null || findTask(at)?.agent !== request.agent) return false;
    // Tasks of a damaged store could go round in a circle.
    for (let level = 0; level < TASK_LEVELS_MAX && at !== root; level++) {
      const parent: string | null | undefined = findTask(at)?.parent;
      if (typeof parent !== "string") return false;
      at = parent;
    }
    return at === root;
  }

  async #decisions(fresh: readonly Read[], caller: Caller, origin: string): Promise<void> {
    const { log, profile, outcomes, incidents, settled, elsewhere } = this.#deps;
    const decisions = fresh.filter((read) => read.kind === "decision");
    if (decisions.length === 0) return;
    if (log.queue.records > log.queue_max.records / 2 || log.queue.bytes > log.queue_max.bytes / 2) throw new Problem("log_backlog");
    if (!profile.ready) throw new Problem("log_unavailable");
    const { seq } = log;
    const opened: string[] = [];
    const entries = decisions.map((read) => entryOf(read, this.#marked(read, caller, origin, opened)));
    const recorded = log.appendAll(entries);
    recorded.catch(() => undefined);
    const isTaken = log.seq !== seq;
    // In the turn of the hand-over, so that what is learned is what the records say in their order.
    for (const { act, record, beside } of isTaken ? decisions : []) {
      const root = record.answer.proceed ? rootOf(record, beside) : null;
      if (root !== null) elsewhere(root);
      if (act === null || !profile.learns) continue;
      const assessed = profile.assess(act);
      profile.learn(act, outcomeOf(record.answer));
      settled(record.answer, { act, assessed });
    }
    try {
      await recorded;
    } catch (cause) {
      for (const id of opened) incidents.unrecorded(id);
      if (isTaken) profile.unrecorded();
      throw cause;
    }
    for (const { record } of decisions) outcomes.remember(record.answer.decision_id, caller.id, record.answer.proceed);
  }

  /**
   * Returns the record as the log takes it: marked with its engine, and with the finding that it belongs to here.
   * @param opened takes in the id of each finding that begins with it
   */
  #marked({ record, asked, seq }: ReadDecision, caller: Caller, origin: string, opened: string[]): DecisionRecord {
    const { clock, incidents, identity, isKnown } = this.#deps;
    const { agent, purpose, verb, type, id } = asked;
    const { answer, kind } = record;
    const time_ms = clock.wall();
    // A caller must not say anything of another's agent, not even that it was refused.
    const isOwn = identity.mayAskFor(caller, asked.agent, asked.purpose);
    const isAttributed = isOwn && record.floor?.["agent"] !== null && isKnown(asked.agent, asked.purpose).agent;
    const decision_id = this.#opener(answer.decision_id, time_ms);
    const { decision, reasons } = answer;
    const opens = opensFinding(answer);
    const finding = incidents.place({
      decision_id,
      kind,
      agent,
      purpose,
      verb,
      type,
      id,
      known: isAttributed,
      time_ms,
      decision,
      reasons,
      opens,
    });
    if (finding?.startsWith(`F-${decision_id}`) === true) opened.push(decision_id);
    const rest = without(answer, "finding");
    const engine = { origin, seq, taken: new Date(time_ms).toISOString(), ...(!isAttributed && { unattributed: true as const }) };
    return { ...record, answer: finding === null ? rest : { ...rest, finding }, engine };
  }

  /**
   * Returns the id that a finding opened by this decision is named after: the decision's own, unless its time isn't now or
   * there is such a finding already. An engine makes up its ids, and must neither name another's finding nor say how long one lasts.
   */
  #opener(decisionId: string, now_ms: number): string {
    const { isFinding, newId } = this.#deps;
    const isFresh = Math.abs(openedMs(`F-${decisionId}`) - now_ms) < QUIET_MS;
    return isFresh && !findingIds(decisionId).some(isFinding) ? decisionId : newId();
  }

  async #outcomes(fresh: readonly Read[], caller: Caller, refused: Refused[]): Promise<void> {
    const told = fresh.filter((read) => read.kind === "outcome");
    // Of decisions that aren't remembered the index is asked, which others ask too.
    const isRemembered = ({ record }: (typeof told)[number]): boolean => this.#deps.outcomes.knows(record.decision_id);
    const slices = [
      ...sliced(told.filter(isRemembered), RECORDED_AT_ONCE),
      ...sliced(
        told.filter((one) => !isRemembered(one)),
        ASKED_AT_ONCE,
      ),
    ];
    for (const slice of slices) {
      const reported = await Promise.allSettled(slice.map((one) => this.#outcome(one, caller, refused)));
      // All of them are over before what comes next of this engine.
      for (const one of reported) if (one.status === "rejected") throw one.reason;
    }
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
  }
}

function sliced<T>(all: readonly T[], length: number): T[][] {
  return Array.from({ length: Math.ceil(all.length / length) }, (_, i) => all.slice(i * length, (i + 1) * length));
}

function refusal(seq: number, field: string, expected: string): Refused {
  return { seq, code: "record_invalid", field, expected };
}

/** With what stands beside it; null where that isn't what it names, or says what the record itself has to. */
function withBeside(record: DecisionRecord, text: string | undefined): DecisionRecord | null {
  if (record.beside === undefined || text === undefined) return record.beside === undefined && text === undefined ? record : null;
  if (Buffer.byteLength(text) !== record.beside.bytes || `sha256:${hash("sha256", text)}` !== record.beside.digest) return null;
  let beside: unknown;
  try {
    beside = JSON.parse(text);
  } catch {
    return null;
  }
  if (typeof beside !== "object" || beside === null || Array.isArray(beside)) return null;
  if (Object.keys(beside).some((name) => !BESIDE.has(name) || Object.hasOwn(record, name))) return null;
  const whole: unknown = { ...record, ...beside };
  return isDecision(whole) ? whole : null;
}

/**
 * Returns the place of the first member that replaying the record couldn't read: it would be in the log for good. Null if all can be read.
 */
function misshapenAt(whole: DecisionRecord): string | null {
  const reads = whole.input === undefined ? isRefused : isAsked;
  return reads(whole) ? null : reads.errors?.[0]?.instancePath || "/input";
}

/** For whom and when it was decided; null where its parts aren't those that a decision is made of. */
function askedIn({ input, request, floor }: DecisionRecord): AskedAction | null {
  if ((input === undefined) === (floor === undefined)) return null;
  const of: Partial<PolicyInput> = input ?? {};
  const { facts, request: asked = request } = of;
  const isMembers = (value: unknown): value is object => typeof value === "object" && value !== null;
  const isText = (value: unknown): value is string => typeof value === "string";
  const isTextOrNull = (value: unknown): value is string | null => value === null || isText(value);
  const now_ms: unknown = facts === undefined ? floor?.["now_ms"] : (facts as Partial<PolicyInput["facts"]> | null)?.time?.ms;
  if (!isMembers(asked) || typeof now_ms !== "number") return null;
  const { agent, purpose, verb, task, resource, context } = asked as Partial<PolicyInput["request"]>;
  if (!isText(agent) || !isText(purpose) || !isText(verb) || !isTextOrNull(task)) return null;
  if (!isMembers(resource) || !isText(resource.type) || !isTextOrNull(resource.id)) return null;
  if (!isMembers(context) || !isTextOrNull(context.session) || !isTextOrNull(context.source)) return null;
  if (facts !== undefined && !isText((facts as Partial<PolicyInput["facts"]>).agent?.version)) return null;
  return { agent, purpose, verb, type: resource.type, id: resource.id, now_ms };
}

function entryOf({ record, beside }: ReadDecision, marked: DecisionRecord): LogEntry {
  const { before, after } = aroundSeq(Object.fromEntries(Object.entries(marked).filter(([name]) => name !== "seq")));
  return {
    before,
    after,
    ...(beside !== undefined && record.beside !== undefined && { beside: { digest: record.beside.digest, text: beside } }),
  };
}
