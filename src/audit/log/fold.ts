/**
 * Lessons that the behaviour profile learns from records. A service teaches its profile the same while it writes them, so that a profile
 * that learned from them in their order is the service's own, to the byte.
 */
import type {
  Act,
  ActOutcome,
  AdminRecord,
  Assessment,
  DecisionRecord,
  FindingState,
  PolicyInput,
  ServiceRecord,
} from "../../contract/index.js";
import { NOTHING_ODD, parseTime } from "../../contract/index.js";
import { outcomeOf } from "../../decision/act.js";
import { BesideLines, type LineReference } from "./beside.js";
import { LineTooLong, readLines, type Line } from "./record_lines.js";
import { errorMessage } from "../../system/error_message.js";

export type Lesson =
  /** An action, what it was found to be, and what became of it; found by an engine that knew other records, where it was handed in. */
  | { of: "act"; act: Act; assessed: Assessment; outcome: ActOutcome; handed_in: boolean }
  /** Actions that a person has found to be usual; `time_ms` is milliseconds since the epoch. */
  | { of: "expected"; acts: readonly Act[]; time_ms: number }
  /** A person's verdict moves a purpose's thresholds; with the actions that it found to be usual. */
  | { of: "judged"; calibrates: NonNullable<FindingState["calibrates"]>; acts: readonly Act[]; time_ms: number }
  /** A person has given an agent back what it was left without. */
  | { of: "forgiven"; agent: string; time_ms: number }
  /** A person has put an agent's habits back to what they were. */
  | { of: "rolled_back"; agent: string; to_ms: number; time_ms: number };

/** Settings by which a service learns baselines from its start on; null: it learns none, or they are unknown. */
export interface Started {
  of: "started";
  behavior: { agents_max: number; algorithm: number; of_nodes?: true } | null;
}

export interface FoldedRecord {
  seq: number;
  /** Place of the next record, or of the next segment. */
  end: { segment: string; offset: number };
  /** Or why a record that may be one can't be read. */
  lesson: Lesson | Started | { of: "unreadable"; why: string };
}

/** Caller of the changes of facts that the service makes itself. */
const ITSELF = "remit";
/** Changes of a finding that may teach. */
const VERDICTS = ["finding_expected", "finding_misuse", "finding_reopened"];
const FORGIVING = ["agent_restored", "agent_widened"];
/** Beginning of the record of an action that was learned from. */
const ACT = Buffer.from('{"act":{');
const FACTS = '"kind":"facts"';
const ADMIN = '"kind":"admin"';
const SERVICE = '"kind":"service"';
/** The action of an administrator's record. */
export const ROLLED_BACK = "profile_rolled_back";
/** Texts that mark such a change, as a record of facts has them. */
const TELLING = [`"action":"${ROLLED_BACK}"`, ...[...VERDICTS, ...FORGIVING].map((change) => `"change":"${change}"`)];

type RecordOfAct = Partial<Pick<DecisionRecord, "act" | "at" | "engine" | "input" | "request" | "floor">> &
  Pick<DecisionRecord, "kind" | "time" | "answer">;

/** The action of a decision's record with what stands beside it; null where nothing is learned from it. */
export function actIn(record: RecordOfAct): Act | null {
  const { act: more, at, input, request: refused, floor, time } = record;
  if (more === undefined) return null;
  const { facts, request } = (input ?? { request: refused }) as Partial<PolicyInput>;
  const now_ms = facts?.time.ms ?? (floor as { now_ms: number } | undefined)?.now_ms ?? parseTime(time);
  const version = more.version ?? facts?.agent.version;
  if (request === undefined || now_ms === null || version === undefined) return null;
  const { agent, purpose, verb, resource, task, context } = request;
  return {
    agent,
    version,
    owner: more.owner ?? facts?.agent.owner ?? "",
    purpose,
    verb,
    verb_class: more.class,
    type: resource.type,
    id: resource.id,
    task,
    relation: more.relation,
    ...(more.labels !== undefined && { labels: more.labels }),
    session: context.session,
    source: context.source,
    granted: more.granted === true,
    amount: 1,
    time_ms: at === undefined ? now_ms : Math.min(now_ms, Date.parse(at)),
    offset_ms: more.offset_ms ?? 0,
  };
}

/** Returns the assessment of the action in a decision's record, with what stands beside it. */
export function assessedIn({ act, input }: Pick<RecordOfAct, "act" | "input">): Assessment {
  const assessed = input === undefined ? act?.behavior : (input as unknown as PolicyInput).facts.behavior;
  return assessed === undefined ? NOTHING_ODD : assessed;
}

/** Returns the lesson in the record of something that a person or the service did, with what stands beside it; null: it has no lesson. */
export function lessonOfDeed(record: Readonly<Record<string, unknown>>): Lesson | null {
  if (record["kind"] === "admin") return rolledBackIn(record as unknown as AdminRecord);
  if (record["kind"] !== "facts") return null;
  const { change, caller, time } = record as { change: string; caller: string; time: string };
  const time_ms = parseTime(time) ?? 0;
  if (VERDICTS.includes(change)) {
    const { teaches: acts, calibrates } = record["finding"] as FindingState;
    if (calibrates !== undefined) return { of: "judged", calibrates, acts, time_ms };
    return acts.length === 0 ? null : { of: "expected", acts, time_ms };
  }
  if (!FORGIVING.includes(change) || caller === ITSELF) return null;
  const agent = change === "agent_restored" ? (record["agent"] as { id: string }).id : (record["narrowing"] as { agent: string }).agent;
  return { of: "forgiven", agent, time_ms };
}

function rolledBackIn({ action, detail, time }: AdminRecord): Lesson | null {
  if (action !== ROLLED_BACK) return null;
  const { agent, to } = detail as { agent: string; to: string };
  return { of: "rolled_back", agent, to_ms: parseTime(to) ?? 0, time_ms: parseTime(time) ?? 0 };
}

/** Returns true if the text of such a record may have a lesson: most don't, and need not be read. */
export function mayTell(text: string): boolean {
  return TELLING.some((what) => text.includes(what));
}

/** Yields the records of a folder from `from` to `to`, in order, that have a lesson. A last line that is being written is left out. */
export function* lessons(folder: string, from: number, to = Infinity): Generator<FoldedRecord, void, undefined> {
  for (const { lesson, ...place } of records(folder, from, to)) if (lesson !== null) yield { ...place, lesson };
}

/**
 * Yields every record, like `lessons`.
 * @param at place of `from`, if it is known
 */
export function* records(
  folder: string,
  from: number,
  to: number,
  at?: FoldedRecord["end"],
): Generator<Omit<FoldedRecord, "lesson"> & { lesson: FoldedRecord["lesson"] | null }, void, undefined> {
  const beside = new BesideLines(folder);
  try {
    for (const line of readLines(folder, from, to, at)) {
      const { seq, segment, offset, bytes } = line;
      const end = offset + bytes.length + 1;
      yield { seq, end: { segment, offset: end }, lesson: lessonOf(line, beside) };
    }
  } catch (error) {
    if (!(error instanceof LineTooLong)) throw error;
    const { seq, segment, offset } = error;
    const why = `${error.message}; what follows is not read`;
    yield { seq, end: { segment, offset }, lesson: { of: "unreadable", why } };
  } finally {
    beside.close();
  }
}

function lessonOf({ bytes, segment }: Line, beside: BesideLines): FoldedRecord["lesson"] | null {
  const isAct = bytes.subarray(0, ACT.length).equals(ACT);
  const isService = !isAct && bytes.includes(SERVICE);
  const isDeed = !isAct && !isService && (bytes.includes(FACTS) || bytes.includes(ADMIN));
  if (!isAct && !isService && !(isDeed && mayTell(bytes.toString("latin1")))) return null;
  try {
    const record = whole(bytes, segment, beside);
    if (record === null) return { of: "unreadable", why: "what stands beside it is not there, or not what it was" };
    if (isService && record["kind"] === "service") return startedIn(record as ServiceRecord);
    if (!isAct) return lessonOfDeed(record);
    const decided = record as RecordOfAct;
    const act = actIn(decided);
    if (act === null) return { of: "unreadable", why: "it says that it was learned from, and lacks from what" };
    const handed_in = decided.engine !== undefined;
    return { of: "act", act, assessed: assessedIn(decided), outcome: outcomeOf(decided.answer), handed_in };
  } catch (error) {
    return { of: "unreadable", why: errorMessage(error) };
  }
}

function startedIn({ change, behavior }: Pick<ServiceRecord, "change" | "behavior">): Started | null {
  return change === "started" ? { of: "started", behavior: behavior ?? null } : null;
}

/** A record with what stands beside it; null where that isn't there. */
function whole(bytes: Buffer, segment: string, beside: BesideLines): Record<string, unknown> | null {
  const record = JSON.parse(bytes.toString("utf8")) as Record<string, unknown>;
  const named = record["beside"] as LineReference | undefined;
  if (named === undefined) return record;
  const text = beside.text(segment, named);
  return text === null ? null : { ...record, ...(JSON.parse(text) as Record<string, unknown>) };
}
