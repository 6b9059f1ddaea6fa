/** What the attacked service knows: facts for a bundle's vocabulary, and what they permit by a reading of their own. */
import type { UnverifiedBundle } from "../../src/bundle/verify.js";
import {
  conditionLiterals,
  type Fields,
  type PolicyInput,
  type Purpose,
  type ValueType,
  type Values,
  type Value,
  type Vocabulary,
} from "../../src/contract/index.js";
import type { Dice } from "../differential/dice.js";

/** A task that is over: once a service on a busy machine has read it, and before the run has ended. */
const EXPIRES_AFTER_MS = 30_000;
const AGENTS = 8;
const TASKS = 24;

export const IDS = ["ada", "bob", "Ada", "t-1", "o-1", "d\u00e1x", "日本", "a b", "%61da", "ada.", "null", "0"];
const EMAILS = ["ada@example.com", "ADA@example.com", "bob@example.com"];
const TEXTS = ["", " ", "ada", "\u0000", "a\u0000b", "\u001b[31m", "\u2028", "\u202e", "e\u0301", "😀", '"\\', "\ufeff", "{}"];
const INTEGERS = [0, -0, 1, -1, 100, 4999, 5000, 5001, 2 ** 31, -(2 ** 31) - 1, Number.MAX_SAFE_INTEGER];
const NUMBERS = [...INTEGERS, 0.1, -0.5, 4999.99, 1e-7, 5e-324, 0.1 + 0.2];

export interface AgentFact {
  owner: string;
  purposes: string[];
  status: "active" | "suspended" | "revoked";
  attributes: Values;
}

export interface TaskFact {
  agent: string;
  purpose: string;
  subjects: Record<string, string[]>;
  attributes: Values;
  verbs?: string[] | null;
  expires?: string | null;
  ended?: boolean;
}

/** Who asks what, as both sides name it. */
export interface Subject {
  agent: string;
  purpose: string;
  task: string | null;
  verb: string;
  type: string;
  id: string | null;
}

export interface World {
  vocabulary: Vocabulary;
  purposes: readonly string[];
  /** Purposes that may be acted for without a task. */
  taskless: ReadonlySet<string>;
  /** type and verb of all that purposes speak of */
  named: readonly (readonly [type: string, verb: string])[];
  /** texts that the policy compares with */
  words: readonly string[];
  agents: Readonly<Record<string, AgentFact>>;
  tasks: Record<string, TaskFact>;
}

export function makeWorld(bundle: UnverifiedBundle, dice: Dice, now: number): World {
  const { vocabulary, purposes } = bundle.data;
  const ids = Object.keys(purposes);
  const words = wordsOf(bundle);
  const agent = (more: Partial<AgentFact> = {}): AgentFact => ({
    owner: "tests",
    purposes: ids,
    status: "active",
    attributes: drawFields(dice, vocabulary.agent.attributes, words),
    ...more,
  });
  const agents: Record<string, AgentFact> = {
    revoked: agent({ status: "revoked" }),
    suspended: agent({ status: "suspended" }),
    idle: agent({ purposes: [] }),
  };
  for (let i = 0; i < AGENTS; i++) agents[`agent-${i}`] = agent();
  const task = (i: number, more: Partial<TaskFact> = {}): TaskFact => ({
    agent: `agent-${i % AGENTS}`,
    purpose: dice.of(ids),
    subjects: Object.fromEntries(vocabulary.task.subjects.map((type) => [type, [dice.of(IDS.slice(0, 4)), `own-${i}`]])),
    attributes: drawFields(dice, vocabulary.task.attributes, words),
    ...more,
  });
  const tasks: Record<string, TaskFact> = {
    "t-ended": task(0, { ended: true }),
    // While requests come, too.
    "t-expired": task(0, { expires: new Date(now + EXPIRES_AFTER_MS).toISOString() }),
    "t-read-only": task(0, { verbs: ["read"] }),
  };
  for (let i = 0; i < TASKS; i++) tasks[`t-${i}`] = task(i);
  const taskless = new Set(ids.filter((id) => purposes[id]?.task === "optional"));
  return { vocabulary, purposes: ids, taskless, named: Object.values(purposes).flatMap(namedBy), words, agents, tasks };
}

/** By a reading of the facts that shares no code with the service: whether the floor lets this pass. */
export function mayPass({ agents, tasks, taskless }: World, { agent, purpose, task, verb }: Subject, now: number): boolean {
  const who = Object.hasOwn(agents, agent) ? agents[agent] : undefined;
  if (who?.status !== "active" || !who.purposes.includes(purpose)) return false;
  if (task === null) return taskless.has(purpose);
  const what = Object.hasOwn(tasks, task) ? tasks[task] : undefined;
  return (
    what?.agent === agent &&
    what.purpose === purpose &&
    what.ended !== true &&
    (typeof what.expires !== "string" || Date.parse(what.expires) > now) &&
    (what.verbs?.includes(verb) ?? true)
  );
}

/** Whether the policy was told of agent and task what the facts say. */
export function toldTruly({ vocabulary, tasks }: World, { facts, request }: PolicyInput, caller: string): boolean {
  const task = request.task !== null && Object.hasOwn(tasks, request.task) ? tasks[request.task] : undefined;
  return (
    facts.caller.id === caller &&
    facts.agent.id === request.agent &&
    facts.task.id === request.task &&
    facts.grants.length === 0 &&
    vocabulary.task.subjects.every(
      (type) => JSON.stringify(facts.task.subjects[type] ?? null) === JSON.stringify(task?.subjects[type] ?? null),
    )
  );
}

export function drawValue(dice: Dice, type: ValueType, words: readonly string[]): Value {
  switch (type.kind) {
    case "date":
      return "2026-03-01";
    case "time":
      return "2026-03-01T09:30:00Z";
    case "duration":
      return "36h";
    case "id":
      return dice.of(dice.chance(80) ? IDS.slice(0, 4) : IDS);
    case "email":
      return dice.of(EMAILS);
    case "string":
      return dice.of(dice.chance(70) && words.length > 0 ? words : TEXTS).slice(0, type.max);
    case "integer":
      return dice.of(INTEGERS);
    case "number":
      return dice.of(NUMBERS);
    case "boolean":
      return dice.chance(50);
    case "enum":
      return dice.of(type.values);
    case "list":
      return dice.many(Math.min(type.max, 4), () => drawValue(dice, type.of, words));
    case "object":
      return drawFields(dice, type.fields, words);
  }
}

/** Some left out, some null. */
export function drawFields(dice: Dice, fields: Fields, words: readonly string[]): Values {
  const drawn: Values = {};
  for (const [name, type] of Object.entries(fields)) {
    if (dice.chance(85)) drawn[name] = dice.chance(8) ? null : drawValue(dice, type, words);
  }
  return drawn;
}

function namedBy({ allow, flag, never }: Purpose): [string, string][] {
  return [allow, flag, never].flatMap((entries) =>
    Object.entries(entries).flatMap(([type, verbs]) => Object.keys(verbs).map((verb): [string, string] => [type, verb])),
  );
}

function wordsOf({ data, files }: UnverifiedBundle): string[] {
  const rules = [...files].filter(([file]) => /^rules\/.*\.rego$/.test(file)).map(([, text]) => String(text));
  const literals = rules.flatMap((text) => [...text.matchAll(/"([^"\n]{1,40})"/g)].map(([, word]) => word ?? ""));
  const matched = Object.values(data.purposes)
    .flatMap(({ allow, flag, never }) => [allow, flag, never])
    .flatMap((types) => Object.values(types).flatMap((verbs) => Object.values(verbs).flat()))
    .flatMap(({ when }) =>
      when.flatMap(conditionLiterals).flatMap(({ holder: { value } }) => (Array.isArray(value) ? value.map(String) : [])),
    );
  return [...new Set([...literals, ...matched])];
}
