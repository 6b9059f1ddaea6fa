/** The trusted facts of a task and an agent, read once: the user's own values, what the user filled in, and the organisation. */
import type { FlowFacts, Value, Values } from "../contract/index.js";
import { nameOf, plain, readings, type TypedValue } from "./values.js";

const SECRET_LENGTH_MIN = 4;
const HOST_LIKE = /^@?[\p{L}\d-]+(?:\.[\p{L}\d-]+)+$/u;
const NOTHING_SAID: FlowFacts = { slots: [], own: [], members: [], secret: [] };

/** Trusted facts by role. */
export interface OwnValues {
  instruction: string | null;
  slots: ReadonlySet<string>;
  facts: ReadonlyMap<string, string>;
  addresses: ReadonlySet<string>;
  members: ReadonlySet<string>;
  secrets: readonly string[];
}

// Facts are replaced, never changed in place.
const owns = new WeakMap<FlowFacts, WeakMap<object, WeakMap<object, OwnValues>>>();
const NO_TASK = {};

/** @param said where the facts are @default nowhere */
export function ownOf(said: FlowFacts = NOTHING_SAID, task: Readonly<Values>, agent: Readonly<Values>): OwnValues {
  const ofTask = Object.keys(task).length === 0 ? NO_TASK : task;
  let byTask = owns.get(said);
  if (byTask === undefined) owns.set(said, (byTask = new WeakMap()));
  let byAgent = byTask.get(ofTask);
  if (byAgent === undefined) byTask.set(ofTask, (byAgent = new WeakMap()));
  let known = byAgent.get(agent);
  if (known === undefined) byAgent.set(agent, (known = ownValues(said, task, agent)));
  return known;
}

function ownValues({ instruction, slots, own, members, secret }: FlowFacts, task: Readonly<Values>, agent: Readonly<Values>): OwnValues {
  const at = (fact: string): Value => {
    const [root = "", name = ""] = fact.split(".");
    const of = root === "task" ? task : agent;
    return Object.hasOwn(of, name) ? (of[name] ?? null) : null;
  };
  const all = (names: readonly string[]): (string | number)[] => names.flatMap((name) => leavesOf(at(name)));
  const facts = new Map<string, string>();
  const except = new Set([instruction, ...slots].filter((one) => one !== undefined).map(String));
  for (const [root, of] of [
    ["task", task],
    ["agent", agent],
  ] as const) {
    for (const [name, value] of Object.entries(of)) {
      const fact = `${root}.${name}`;
      if (except.has(fact)) continue;
      for (const leaf of leavesOf(value)) for (const one of readings(leaf)) facts.set(textOf(one), fact);
    }
  }
  const words = instruction === undefined ? null : at(instruction);
  return {
    instruction: typeof words === "string" && words !== "" ? words : null,
    slots: new Set(all(slots).flatMap(readings).map(textOf)),
    facts,
    addresses: new Set(all(own).flatMap(readings).map(textOf)),
    members: new Set(all(members).map((one) => plain(String(one)).toLowerCase().trim())),
    secrets: all(secret)
      .map((one) => nameOf(String(one)))
      .filter((one) => one.length >= SECRET_LENGTH_MIN),
  };
}

/** Returns the texts and numbers in a value. */
export function leavesOf(value: Value): (string | number)[] {
  if (typeof value === "string" || typeof value === "number") return [value];
  if (Array.isArray(value)) return value.flatMap(leavesOf);
  return typeof value === "object" && value !== null ? Object.values(value).flatMap(leavesOf) : [];
}

/** Returns by what two equal values are found to be equal. */
export function textOf({ kind, value }: TypedValue): string {
  return `${kind} ${value}`;
}

/** Returns whether a place or a name is the organisation's. */
export function isInside({ kind, value }: TypedValue, members: ReadonlySet<string>): boolean {
  if (members.size === 0) return false;
  // What anybody may be called isn't the organisation's domain.
  if (members.has(value) && (kind !== "name" || !HOST_LIKE.test(value))) return true;
  const host =
    kind === "email"
      ? value.slice(value.lastIndexOf("@") + 1)
      : kind === "url"
        ? (/^(?:[a-z\d+.-]+:\/\/)?(?:[^/@]*@)?([^/:?#]+)/.exec(value)?.[1] ?? "")
        : "";
  return host !== "" && (members.has(host) || members.has(`@${host}`));
}
