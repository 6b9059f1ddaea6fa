/**
 * A case of a decision table as the decision sees it: the request an enforcement point would send, and the agent, the task
 * and the grants that would be known at that moment. What a case doesn't say is as the table's `given`.
 */
import {
  parseTime,
  type Fields,
  type InputGrant,
  type ResourceType,
  type Value,
  type Values,
  type Vocabulary,
} from "../contract/index.js";
import type { Agent, Facts, Task } from "../decision/ports.js";

/** The moment a table starts from. Members of `task` and `agent` that aren't listed here are their attributes. */
export interface Given {
  now: string;
  /** What the enforcement point claims the time to be; left out, it claims nothing. */
  claims?: string;
  /** Left out: the task's purpose, else the first that the agent is registered for. */
  purpose?: string;
  agent: { id: string; purposes: string[]; version?: string; owner?: string; status?: Agent["status"] } & Values;
  task?: ({ id: string; purpose: string; subjects?: Record<string, string | string[]> } & Values) | null;
  /** `type/id` → attributes. A resource that isn't listed has every attribute unknown. */
  resources?: Record<string, Values>;
  grants?: GivenGrant[];
}

export interface GivenGrant {
  id: string;
  exact?: boolean;
  type: string;
  verb: string;
  about?: InputGrant["about"];
  when?: InputGrant["when"];
}

export interface Case {
  name: string;
  verb: string;
  /** `type/id`, or `type` for a collection verb. */
  resource: string;
  /** Changes to `given`, by path: `{task.topic: delivery}`, `{task: null}`. */
  given: Record<string, unknown>;
  /** Attributes and arguments by name. */
  with: Values;
  /** Role → `type/id`. */
  related: Record<string, string>;
}

export interface Situation {
  request: Record<string, unknown>;
  facts: Facts;
  now_ms: number;
}

/** What keeps a case from being a situation. `word` is the author's own, so that its place can be found. */
export class CaseError extends Error {
  override readonly name = "CaseError";

  constructor(
    readonly word: string,
    message: string,
  ) {
    super(message);
  }
}

const AGENT_FACTS = new Set(["id", "purposes", "version", "owner", "status"]);
const TASK_FACTS = new Set(["id", "purpose", "subjects", "principal", "verbs", "expires", "ended", "agent"]);

export function situationOf(tableGiven: Given, testCase: Case, vocabulary: Vocabulary): Situation {
  const given = changed(tableGiven, testCase.given);
  const purpose = given.purpose ?? given.task?.purpose ?? tableGiven.task?.purpose ?? given.agent.purposes[0];
  const { type, spec, id } = resolve(testCase.resource, vocabulary);
  const { attributes, args } = split(testCase.with, testCase.resource, spec);
  const related = Object.entries(testCase.related).map(([role, name]) => {
    const other = resolve(name, vocabulary);
    return [role, { type: other.type, id: other.id, attributes: given.resources?.[name] ?? {} }] as const;
  });
  return {
    request: {
      agent: given.agent.id,
      purpose,
      ...(given.task ? { task: given.task.id } : {}),
      verb: testCase.verb,
      resource: { type, id, attributes: { ...given.resources?.[testCase.resource], ...attributes } },
      ...(related.length === 0 ? {} : { related: Object.fromEntries(related) }),
      arguments: args,
      ...(given.claims === undefined ? {} : { time: given.claims }),
    },
    facts: factsOf(given),
    now_ms: timeOf("now", given.now),
  };
}

/** `given` with one thing changed: each path of `changes` set in a copy. */
function changed(given: Given, changes: Record<string, unknown>): Given {
  const copy = structuredClone(given) as unknown as Record<string, unknown>;
  for (const [path, value] of Object.entries(changes)) {
    const keys = splitPath(path);
    const last = keys.pop() ?? path;
    let at = copy;
    for (const key of keys) {
      const next = Object.hasOwn(at, key) ? at[key] : undefined;
      if (typeof next !== "object" || next === null) throw new CaseError(path, `nothing is given at \`${key}\``);
      at = next as Record<string, unknown>;
    }
    at[last] = value;
  }
  return copy as unknown as Given;
}

/** `resources.invoice/I-1.customer` names the resource `invoice/I-1`: ids may hold dots, so the last one counts. */
function splitPath(path: string): string[] {
  if (!path.startsWith("resources.")) return path.split(".");
  const rest = path.slice("resources.".length);
  const dot = rest.lastIndexOf(".");
  return dot < 0 ? ["resources", rest] : ["resources", rest.slice(0, dot), rest.slice(dot + 1)];
}

function resolve(
  name: string,
  vocabulary: Vocabulary,
): { type: string; spec: ResourceType | undefined; id: string | null } {
  const slash = name.indexOf("/");
  const type = slash < 0 ? name : name.slice(0, slash);
  const spec = Object.hasOwn(vocabulary.types, type) ? vocabulary.types[type] : undefined;
  return { type, spec, id: slash < 0 ? null : name.slice(slash + 1) };
}

/** `with` names attributes and arguments alike; the vocabulary says which is which. */
function split(values: Values, resource: string, spec: ResourceType | undefined): { attributes: Values; args: Values } {
  const attributes: Values = {};
  const args: Values = {};
  const has = (fields: Fields | undefined, name: string): boolean =>
    fields !== undefined && Object.hasOwn(fields, name);
  for (const [name, value] of Object.entries(values)) {
    const [attribute, argument] = [has(spec?.attributes, name), has(spec?.arguments, name)];
    if (attribute && argument)
      throw new CaseError(name, `\`${name}\` is an attribute and an argument of \`${resource}\``);
    if (!attribute && !argument) throw new CaseError(name, `\`${resource}\` has no attribute or argument \`${name}\``);
    (attribute ? attributes : args)[name] = value;
  }
  return { attributes, args };
}

function factsOf(given: Given): Facts {
  const agent: Agent = {
    id: given.agent.id,
    version: given.agent.version ?? "1",
    owner: given.agent.owner ?? "unknown",
    purposes: new Set(given.agent.purposes),
    attributes: without(given.agent, AGENT_FACTS),
    status: given.agent.status ?? "active",
  };
  const task = given.task ? taskOf(given.task, given.agent.id) : undefined;
  const grants = given.grants ?? [];
  return {
    revision: 1,
    stale: false,
    agent: (id) => (id === agent.id ? agent : undefined),
    task: (id) => (id === task?.id ? task : undefined),
    grants: (_agent, _task, type, verb) =>
      grants
        .filter((grant) => grant.type === type && grant.verb === verb)
        .map(({ id, exact = false, about = "any", when = [] }) => ({ id, exact, about, when })),
  };
}

function taskOf(given: NonNullable<Given["task"]>, agentId: string): Task {
  const subjects = Object.entries(given.subjects ?? {}).map(([type, ids]) => [type, [ids].flat()] as const);
  const { principal, verbs, expires, ended, agent } = given;
  return {
    id: given.id,
    agent: typeof agent === "string" ? agent : agentId,
    purpose: given.purpose,
    principal: typeof principal === "string" ? principal : null,
    subjects: Object.fromEntries(subjects),
    attributes: without(given, TASK_FACTS),
    verbs: Array.isArray(verbs) ? new Set(verbs as string[]) : null,
    expires_ms: typeof expires === "string" ? timeOf("task.expires", expires) : null,
    ended: ended === true,
  };
}

function without(values: Record<string, unknown>, facts: ReadonlySet<string>): Values {
  return Object.fromEntries(Object.entries(values).filter(([name]) => !facts.has(name))) as Record<string, Value>;
}

function timeOf(word: string, text: string): number {
  const ms = parseTime(text);
  if (ms === null) throw new CaseError(word, `\`${word}\` is not an RFC 3339 date-time`);
  return ms;
}
