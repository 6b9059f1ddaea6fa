/** Changes between two bundles in words, beginning with what became permitted: a review must see that first. */
import {
  canonical,
  BEHAVIOR_STEPS,
  maskWords,
  type Approvers,
  type BehaviorPolicy,
  type Catalogue,
  type Entry,
  type Hours,
  type Limit,
  type Purpose,
  type Vocabulary,
  type Zone,
} from "../contract/index.js";
import { conditionWords, placeWords } from "./condition_words.js";
import { DAY_MS, DAYS, MINUTE_MS } from "./hours.js";
import type { BundleContent } from "./verify.js";

export interface BundleDifference {
  /** Actions that were not permitted before, or controls that are gone. */
  permits_more: string[];
  permits_less: string[];
  /** Flags, logs and hours: what is looked at, and what waits. */
  watches: string[];
  /** Words of the vocabulary. */
  words: string[];
  /** Codes and files of rules. */
  rules: string[];
  /** Everything else that evaluation depends on. */
  data: string[];
}

type Line = "allow" | "flag" | "never";

/** Codes that the builder numbered: an entry that moved down keeps its meaning. */
const NUMBERED = /\.(?:(?:allow|flag|never|after)\.\d+|allow\.\d+\.delegated)$/;

export function diffBundles(before: BundleContent, after: BundleContent): BundleDifference {
  const difference: BundleDifference = {
    permits_more: [],
    permits_less: [],
    watches: [],
    words: diffWords(before, after),
    rules: diffRules(before.files, after.files),
    data: diffData(before, after),
  };
  diffPurposes(before, after, difference);
  diffCodes(before.catalogue, after.catalogue, difference);
  return difference;
}

export function isSame(difference: BundleDifference): boolean {
  return Object.values(difference).every((lines: string[]) => lines.length === 0);
}

function diffPurposes(before: BundleContent, after: BundleContent, difference: BundleDifference): void {
  for (const id of keysOf(before.data.purposes, after.data.purposes)) {
    const [old, now] = [before.data.purposes[id], after.data.purposes[id]];
    if (old === undefined) difference.permits_more.push(`purpose ${id} is new: ${now?.statement ?? ""}`);
    if (now === undefined) difference.permits_less.push(`purpose ${id} is gone: ${old?.statement ?? ""}`);
    // With a purpose that is gone its `never` lines are too, and nothing of it is permitted any more.
    if (now !== undefined) for (const line of ["allow", "flag", "never"] as const) diffEntries(id, line, old, now, difference);
    if (old !== undefined && now !== undefined) diffPurpose(id, old, now, difference);
  }
}

function diffEntries(id: string, line: Line, old: Purpose | undefined, now: Purpose, difference: BundleDifference): void {
  const [gone, come] = [entriesOf(old, line), entriesOf(now, line)];
  const removed = [...gone].filter(([key]) => !come.has(key)).map(([, entry]) => entry);
  const added = [...come].filter(([key]) => !gone.has(key)).map(([, entry]) => entry);
  for (const entry of added) target(line, entry.entry, true, difference).push(`${id} now ${entry.words}`);
  for (const entry of removed) target(line, entry.entry, false, difference).push(`${id} no longer ${entry.words}`);
}

/** A flag permits too, at once or after a person looked; taking one away leaves nothing that does. */
function target(line: Line, entry: Entry, added: boolean, difference: BundleDifference): string[] {
  if (line === "never") return added ? difference.permits_less : difference.permits_more;
  if (line === "allow" || entry.reason.proceed === true) {
    return added ? difference.permits_more : difference.permits_less;
  }
  return difference.watches;
}

interface NamedEntry {
  entry: Entry;
  words: string;
}

function entriesOf(purpose: Purpose | undefined, line: Line): Map<string, NamedEntry> {
  const found = new Map<string, NamedEntry>();
  for (const [type, verbs] of Object.entries(purpose?.[line] ?? {})) {
    for (const [verb, entries] of Object.entries(verbs)) {
      for (const entry of entries) {
        const { code, ...reason } = entry.reason;
        const same = { ...entry, reason: NUMBERED.test(code) ? reason : entry.reason };
        found.set(canonical([type, verb, same]), { entry, words: entryWords(line, type, verb, entry) });
      }
    }
  }
  return found;
}

function diffPurpose(id: string, old: Purpose, now: Purpose, difference: BundleDifference): void {
  if (old.task !== now.task) {
    const more = now.task === "optional";
    (more ? difference.permits_more : difference.permits_less).push(`${id} now works ${more ? "without" : "only with"} a task`);
  }
  if (canonical(old.hours) !== canonical(now.hours)) {
    difference.watches.push(`${id} hours: ${hoursWords(old.hours)} → ${hoursWords(now.hours)}`);
  }
  if (canonical(old.approvers) !== canonical(now.approvers)) {
    difference.watches.push(`${id} approvers: ${approversWords(old.approvers)} → ${approversWords(now.approvers)}`);
  }
  if (canonical(old.behavior) !== canonical(now.behavior)) {
    difference.watches.push(`${id} behavior: ${behaviorWords(old.behavior)} → ${behaviorWords(now.behavior)}`);
  }
  if (canonical(old.flow) !== canonical(now.flow)) {
    difference.watches.push(`${id} flow: ${flowWords(old.flow)} → ${flowWords(now.flow)}`);
  }
  diffLimits(id, old, now, difference);
  if (canonical(old.lowers) !== canonical(now.lowers)) {
    difference.watches.push(`${id} lowers: ${lowersWords(old.lowers)} → ${lowersWords(now.lowers)}`);
  }
  for (const member of ["statement", "owner", "answer_lasts_ms"] as const) {
    if (old[member] !== now[member]) difference.data.push(`${id} ${member}: ${old[member]} → ${now[member]}`);
  }
}

function diffLimits(id: string, old: Purpose, now: Purpose, difference: BundleDifference): void {
  const [was, is] = [limitsOf(old), limitsOf(now)];
  for (const code of keysOf(was, is)) {
    const [before, after] = [was[code], is[code]];
    if (before === undefined) difference.permits_less.push(`${id} now limits ${after ?? ""} (${code})`);
    else if (after === undefined) difference.permits_more.push(`${id} no longer limits ${before} (${code})`);
    else if (before !== after) difference.watches.push(`${id} limit ${code}: ${before} → ${after}`);
  }
}

function limitsOf({ limits = [], limited = {} }: Purpose): Record<string, string> {
  const reasons = Object.values(limited).flatMap((verbs) => Object.values(verbs).flat());
  return Object.fromEntries(
    limits.map((limit) => {
      const waits = reasons.some(({ code, effect }) => code === limit.code && effect === "flag");
      return [limit.code, `${limitWords(limit)}${waits ? ", and more waits" : ""}`];
    }),
  );
}

/** `send mail to 10 a task`, `sum of arguments.amount in refund order to 100 a day`. */
function limitWords({ of, measure, path = [], each, after = {}, max, per, by }: Limit): string {
  const named = (verbs: Limit["of"]): string =>
    Object.entries(verbs)
      .map(([verb, types]) => `${verb} ${types.join(", ")}`)
      .join(" and ");
  if (measure === "after") return `${named(of)} to what comes after ${named(after)} within a ${per}`;
  const what = { count: "", sum: `sum of ${placeWords(path)} in `, distinct: `different ${placeWords(path)} in ` }[measure];
  return `${what}${named(of)} to ${max} a ${per}${by === undefined ? "" : ` of one ${by}`}${each === undefined ? "" : ` for each ${placeWords(each)}`}`;
}

function flowWords(flow: Purpose["flow"]): string {
  if (flow === undefined) return "none";
  const { delegated, nowhere, looks = "allow", authority } = flow;
  return `standard, delegated ${delegated}, nowhere ${nowhere}, looks ${looks}, authority ${authority.join(", ") || "nobody's"}`;
}

function lowersWords(lowers: Purpose["lowers"] = {}): string {
  const rules = Object.entries(lowers).flatMap(([type, verbs]) =>
    Object.entries(verbs).map(([verb, labels]) => `${labels.join(", ")} by ${verb} ${type}`),
  );
  return rules.length === 0 ? "nothing" : rules.join("; ");
}

function approversWords({ roles, quorum }: Approvers = { roles: [], quorum: 1 }): string {
  return `${quorum} with ${roles.length === 0 ? "any role" : roles.join(" or ")}`;
}

/** The codes of rules in Rego; those of entries are told by their entries. */
function diffCodes(before: Catalogue, after: Catalogue, difference: BundleDifference): void {
  const [old, now] = [ruleCodes(before), ruleCodes(after)];
  for (const code of keysOf(old, now)) {
    const [was, is] = [old[code], now[code]];
    if (was === undefined) {
      const list = is?.effect === "deny" ? difference.permits_less : is?.effect === "allow" ? difference.permits_more : difference.watches;
      list.push(`rule ${code} (${is?.effect ?? ""}) is new: ${is?.title ?? ""}`);
    } else if (is === undefined) {
      const list = was.effect === "deny" ? difference.permits_more : was.effect === "allow" ? difference.permits_less : difference.watches;
      list.push(`rule ${code} (${was.effect}) is gone: ${was.title}`);
    } else {
      for (const member of ["effect", "severity", "message", "tell_agent"] as const) {
        if (was[member] !== is[member]) difference.rules.push(`rule ${code} ${member}: ${was[member]} → ${is[member]}`);
      }
    }
  }
}

function ruleCodes(catalogue: Catalogue): Catalogue {
  const isRule = (source: string): boolean => source.includes(".rego:");
  return Object.fromEntries(Object.entries(catalogue).filter(([, { sources }]) => sources.some(isRule)));
}

function diffRules(before: ReadonlyMap<string, Buffer>, after: ReadonlyMap<string, Buffer>): string[] {
  const names = [...new Set([...before.keys(), ...after.keys()])].filter((name) => name.endsWith(".rego")).sort();
  return names.flatMap((name) => {
    const [old, now] = [before.get(name), after.get(name)];
    if (old === undefined) return [`${name} is new`];
    if (now === undefined) return [`${name} is gone`];
    return old.equals(now) ? [] : [`${name} changed: ${lineChanges(old.toString(), now.toString())}`];
  });
}

function lineChanges(old: string, now: string): string {
  const [before, after] = [old.split("\n"), now.split("\n")];
  const added = after.filter((line) => !before.includes(line)).length;
  const removed = before.filter((line) => !after.includes(line)).length;
  return `${added} lines added, ${removed} removed`;
}

function diffWords(before: BundleContent, after: BundleContent): string[] {
  const [old, now] = [before.data.vocabulary, after.data.vocabulary];
  return [
    ...changes("verb", old.verbs, now.verbs),
    ...changes("type", old.types, now.types),
    ...changes("task", old.task, now.task),
    ...changes("agent", old.agent, now.agent),
    ...changes("flow", old.flow ?? {}, now.flow ?? {}),
    ...changes("masked field", maskedIn(old), maskedIn(now)),
  ];
}

function maskedIn({ masks = [] }: Vocabulary): Record<string, object> {
  return Object.fromEntries(masks.map((mask) => [maskWords(mask), { as: mask.as ?? mask.at }]));
}

function diffData(before: BundleContent, after: BundleContent): string[] {
  const meta = ["name", "expires", "abi", "builder", "compiler", "tzdata"] as const;
  return [
    ...meta
      .filter((member) => before.metadata[member] !== after.metadata[member])
      .map((member) => `${member}: ${before.metadata[member] ?? "never"} → ${after.metadata[member] ?? "never"}`),
    ...diffZones(before.data.zones, after.data.zones),
  ];
}

/** A later build reaches further: what counts is what both say about the time that both cover. */
function diffZones(before: Record<string, Zone>, after: Record<string, Zone>): string[] {
  const covered = (name: string, zone: Zone): [number, number][] => {
    const both = [before[name] ?? zone, after[name] ?? zone];
    const from = Math.max(...both.map(({ weeks }) => weeks[0]?.[0]?.[0] ?? Infinity));
    const to = Math.min(...both.map(({ weeks }) => weeks.at(-1)?.at(-1)?.[1] ?? -Infinity));
    return weeksBetween(zone, from, to);
  };
  const within = (zones: Record<string, Zone>): object =>
    Object.fromEntries(Object.entries(zones).map(([name, zone]) => [name, covered(name, zone)]));
  return changes("zone", within(before), within(after));
}

/** From when on each local week is counted from which moment, wherever buckets end. */
function weeksBetween({ weeks }: Zone, from: number, to: number): [since: number, began: number][] {
  const found: [number, number][] = [];
  for (const [since, until, began] of weeks.flat()) {
    if (until <= from || since >= to) continue;
    if (found.at(-1)?.[1] !== began) found.push([Math.max(since, from), began]);
  }
  return found;
}

function changes(what: string, old: object, now: object): string[] {
  const [was, is] = [new Map<string, unknown>(Object.entries(old)), new Map<string, unknown>(Object.entries(now))];
  return keysOf(old, now).flatMap((name) => {
    if (!was.has(name)) return [`${what} ${name} is new`];
    if (!is.has(name)) return [`${what} ${name} is gone`];
    return canonical(was.get(name)) === canonical(is.get(name)) ? [] : [`${what} ${name} changed`];
  });
}

function keysOf(a: object, b: object): string[] {
  return [...new Set([...Object.keys(a), ...Object.keys(b)])].sort();
}

const VERBS: Record<Line, string> = { allow: "allows", flag: "flags", never: "forbids" };

/** `allows read invoice about the task when task.topic is billing`. */
export function entryWords(line: Line, type: string, verb: string, { about, when, reason, obligations }: Entry): string {
  const subject = { task: " about the task", other: " about something else", any: "" }[about];
  const conditions = when.length === 0 ? "" : ` when ${when.map(conditionWords).join(" and ")}`;
  const goesOn = reason.proceed === undefined ? "" : reason.proceed ? ", and goes on" : ", and waits for a person";
  const owes = obligations.length === 0 ? "" : `, with ${obligations.map(({ type: kind }) => kind).join(", ")}`;
  const code = NUMBERED.test(reason.code) ? "" : ` (${reason.code})`;
  return `${VERBS[line]} ${verb} ${type}${subject}${conditions}${goesOn}${owes}${code}`;
}

/** `log 25, flag 60, hold 60, narrow 60 to 10/min until below 40 for 15m, suspend 85, order flag 3`. */
export function behaviorWords(behavior: BehaviorPolicy | undefined): string {
  if (behavior === undefined) return "unknown to it";
  const { actions_per_minute, below, for_ms } = behavior.narrowed;
  const steps = BEHAVIOR_STEPS.map((step) => {
    const at = behavior[step] ?? "never";
    if (step !== "narrow" || at === "never") return `${step} ${at}`;
    return `narrow ${at} to ${actions_per_minute}/min until below ${below} for ${timeWords(for_ms)}`;
  });
  const channels = Object.entries(behavior.channels).map(([name, { then, at }]) => `${name} ${then} ${at}`);
  return [...steps, ...channels].join(", ");
}

function timeWords(ms: number): string {
  if (ms % (60 * MINUTE_MS) === 0) return `${ms / (60 * MINUTE_MS)}h`;
  return ms % MINUTE_MS === 0 ? `${ms / MINUTE_MS}m` : `${ms / 1000}s`;
}

/** `mon-fri 08:00-18:00, sat 09:00-13:00 Europe/Berlin, outside flag off_hours`. */
export function hoursWords(hours: Hours | null): string {
  if (hours === null) return "always";
  const clock = (ms: number): string => {
    const minute = ms / MINUTE_MS;
    return `${String(Math.floor(minute / 60)).padStart(2, "0")}:${String(minute % 60).padStart(2, "0")}`;
  };
  const runs: { first: number; last: number; times: string }[] = [];
  for (const [from, to] of hours.open) {
    const day = Math.floor(from / DAY_MS);
    const times = `${clock(from - day * DAY_MS)}-${clock(to - day * DAY_MS)}`;
    const before = runs.find((run) => run.times === times && run.last === day - 1);
    if (before === undefined) runs.push({ first: day, last: day, times });
    else before.last = day;
  }
  const spans = runs.map(({ first, last, times }) => {
    return `${DAYS[first] ?? ""}${first === last ? "" : `-${DAYS[last] ?? ""}`} ${times}`;
  });
  return `${spans.join(", ")} ${hours.zone}, outside ${hours.outside.effect} ${hours.outside.code}`;
}
