/**
 * From AuthZEN's subject, action, resource and context to an action in the words of a vocabulary. What isn't said otherwise is found
 * under its own name: a resource's attribute in its properties, an argument in the action's, purpose and task in the context.
 */
import { hash } from "node:crypto";
import { NAME_PATTERN, Problem, isCanonicalId, type DecideRequest, type Resource } from "../../contract/index.js";
import type { VocabularyReader } from "../../decision/values.js";
import type { Config } from "../../system/config.js";
import type { Entities } from "./entities.js";
import type { Question } from "./read.js";

export type AuthzenConfig = NonNullable<Config["authzen"]>;
type Source = NonNullable<AuthzenConfig["purpose"]>;

/** Undefined where nothing is there. */
type Get = (question: Question) => unknown;
type Gets = readonly (readonly [name: string, get: Get])[];

interface Type {
  type: string;
  attributes: Gets;
  arguments: Gets;
  related: readonly { role: string; type: string; id: Get; attributes: Gets }[];
}

export interface Subjects {
  /** Undefined: nobody of this type acts here. */
  of: (type: string) => SubjectMapping | undefined;
}

export interface SubjectMapping {
  agent: Get;
  prefix: string;
  purpose: Get;
  /** Whether the agent is the one of the subject's own id. */
  isAgent: boolean;
}

export interface Mapping {
  subjects: Subjects;
  /** @throws Problem of what the request has to say and doesn't, or says in the wrong type */
  action: (question: Question, vocabulary: VocabularyReader, requestId: string | null) => DecideRequest;
  /** Who would act. @throws Problem */
  agentOf: (question: Question) => string;
  /** The vocabulary's name of a resource type. */
  typeOf: (type: string) => string;
  /** The task that a request names. */
  taskOf: (question: Question) => string | null;
  /** Names of all actions, sorted. */
  actionNames: (vocabulary: VocabularyReader) => string[];
}

/** The role of a resource that is the request's subject. */
const SUBJECT_ROLE = "subject";
const TEXT_MAX = { request_id: 128, context: 256 };

export function mappingOf(config: AuthzenConfig, entities: Entities): Mapping {
  const purpose = getter(config.purpose ?? "context.purpose");
  const subjects = new Map(
    Object.entries(config.subjects).map(([type, { agent = "subject.id", prefix = "", ...own }]) => {
      const of = own.purpose === undefined ? purpose : getter(own.purpose);
      return [type, { agent: getter(agent), prefix, purpose: of, isAgent: agent === "subject.id" }];
    }),
  );
  const actions = new Map(Object.entries(config.actions ?? {}));
  const resources = new Map(Object.entries(config.resources ?? {}));
  const task = getter(config.task ?? "context.task");
  const agentToken = getter(config.agent_token ?? "context.agent_token");
  const taskToken = getter(config.task_token ?? "context.task_token");
  const session = getter(config.session ?? "context.session");
  const source = getter(config.source ?? "context.source");
  const typesOf = typesCache(resources);

  function agentOf(question: Question): string {
    const { type, id } = question.subject;
    const mapped = subjects.get(type);
    if (mapped === undefined) return nobody(type, id);
    return nameOf(mapped.prefix + text(mapped.agent(question), "the subject's agent"));
  }

  function purposeOf(question: Question): string {
    const get = subjects.get(question.subject.type)?.purpose ?? purpose;
    return nameOf(text(get(question), "the purpose"));
  }

  function taskOf(question: Question): string | null {
    const value = task(question) ?? null;
    return value === null ? null : nameOf(text(value, "the task"));
  }

  return {
    subjects: { of: (type) => subjects.get(type) },
    action(asked, vocabulary, requestId) {
      const question = {
        subject: entities.complete(asked.subject),
        action: asked.action,
        resource: entities.complete(asked.resource),
        context: asked.context,
      };
      const { action, resource } = question;
      const verb = actions.get(action.name) ?? nameOf(action.name);
      const type = typesOf(vocabulary, resource.type);
      const request: DecideRequest = {
        agent: agentOf(question),
        purpose: purposeOf(question),
        verb,
        resource: {
          type: type.type,
          // AuthZEN has an id for whatever is asked about, also where there is none yet.
          id: vocabulary.verbs.get(verb)?.collection === true ? null : resource.id,
          attributes: valuesOf(type.attributes, question),
        },
        arguments: valuesOf(type.arguments, question),
      };
      const related = relatedOf(type, question);
      if (related !== null) request.related = related;
      const named = taskOf(question);
      if (named !== null) request.task = named;
      const [agent_token, task_token] = [agentToken(question) ?? null, taskToken(question) ?? null];
      if (agent_token !== null) request.agent_token = text(agent_token, "the agent's token");
      if (task_token !== null) request.task_token = text(task_token, "the task's token");
      const [from, at] = [claim(session(question), TEXT_MAX.context), claim(source(question), TEXT_MAX.context)];
      if (from !== null || at !== null)
        request.context = { ...(from === null ? {} : { session: from }), ...(at === null ? {} : { source: at }) };
      const id = claim(requestId, TEXT_MAX.request_id);
      if (id !== null) request.request_id = id;
      return request;
    },
    agentOf: (question) => agentOf({ ...question, subject: entities.complete(question.subject) }),
    typeOf: (type) => resources.get(type)?.type ?? nameOf(type),
    taskOf,
    actionNames(vocabulary) {
      const meant = new Set(actions.values());
      return [...actions.keys(), ...[...vocabulary.verbs.keys()].filter((verb) => !meant.has(verb))].sort();
    },
  };
}

type Resources = NonNullable<AuthzenConfig["resources"]>;

/** Of each vocabulary and type: put together once. Types that the vocabulary lacks are made up by whoever asks, and not kept. */
function typesCache(resources: ReadonlyMap<string, Resources[string]>): (vocabulary: VocabularyReader, type: string) => Type {
  const known = new WeakMap<VocabularyReader, Map<string, Type>>();
  return (vocabulary, name) => {
    let types = known.get(vocabulary);
    if (types === undefined) known.set(vocabulary, (types = new Map<string, Type>()));
    const found = types.get(name);
    if (found !== undefined) return found;
    const own = resources.get(name);
    const type = typeOf(own?.type ?? nameOf(name), own, vocabulary);
    if (vocabulary.types.has(type.type)) types.set(name, type);
    return type;
  };
} // prettier-ignore

function typeOf(type: string, own: Resources[string] | undefined, vocabulary: VocabularyReader): Type {
  const reader = vocabulary.types.get(type);
  if (reader === undefined) return { type, attributes: [], arguments: [], related: [] };
  const { attributes, arguments: args } = reader.spec;
  const related = [...reader.related].flatMap(([role, roleType]) => {
    const mapped = own?.related?.[role] ?? (role === SUBJECT_ROLE ? { id: "subject.id" } : undefined);
    if (mapped === undefined) return [];
    const fields = vocabulary.types.get(roleType)?.spec.attributes ?? {};
    const from = role === SUBJECT_ROLE ? ["subject", "properties"] : null;
    return [{ role, type: roleType, id: getter(mapped.id), attributes: gets(fields, mapped.attributes, from) }];
  });
  return {
    type,
    attributes: gets(attributes, own?.attributes, ["resource", "properties"]),
    arguments: gets(args, own?.arguments, ["action", "properties"]),
    related,
  };
}

/** @param from where what isn't mapped is, under its own name; null: nowhere */
function gets(fields: object, mapped: Readonly<Record<string, Source>> = {}, from: readonly string[] | null): Gets {
  const names = new Set([...Object.keys(fields), ...Object.keys(mapped)]);
  return [...names].flatMap((name) => {
    const source = Object.hasOwn(mapped, name) ? mapped[name] : undefined;
    if (source !== undefined) return [[name, getter(source)] as const];
    return from === null ? [] : [[name, walker([...from, name])] as const];
  });
}

function getter(source: Source): Get {
  if (Array.isArray(source)) {
    const all = source.map((one) => getter(one));
    return (question) => {
      for (const get of all) {
        const value = get(question);
        if (value !== undefined && value !== null) return value;
      }
      return undefined;
    };
  }
  if (typeof source === "object") return () => source.is;
  const steps = source.startsWith("/") ? source.slice(1).split("/").map((step) => step.replaceAll("~1", "/").replaceAll("~0", "~")) : source.split("."); // prettier-ignore
  return walker(steps);
}

function walker(steps: readonly string[]): Get {
  return (question) => {
    let value: unknown = question;
    for (const step of steps) {
      if (typeof value !== "object" || value === null || !Object.hasOwn(value, step)) return undefined;
      value = (value as Record<string, unknown>)[step];
    }
    return value;
  };
}

function valuesOf(gets: Gets, question: Question): Record<string, unknown> {
  const values: Record<string, unknown> = {};
  for (const [name, get] of gets) {
    const value = get(question);
    if (value !== undefined) values[name] = value;
  }
  return values;
}

function relatedOf({ related }: Type, question: Question): Record<string, Resource> | null {
  if (related.length === 0) return null;
  const found: Record<string, Resource> = {};
  for (const { role, type, id, attributes } of related) {
    const value = id(question) ?? null;
    if (value !== null)
      found[role] = { type, id: text(value, `the id of ${role}`), attributes: valuesOf(attributes, question) };
  }
  return found;
}

function text(value: unknown, what: string): string {
  if (value === undefined || value === null) throw new Problem("field_missing", { expected: what });
  if (typeof value !== "string") throw new Problem("field_type", { expected: `${what} as a string` });
  return value;
}

/** What only describes: whoever uses the name for something else isn't refused for it. */
function claim(value: unknown, max: number): string | null {
  return typeof value === "string" && value.length <= max && isCanonicalId(value) ? value : null;
}

const NAME = new RegExp(NAME_PATTERN);
const DIGEST = "sha256:";

/**
 * Whatever AuthZEN lets an identifier be, as one of our names: itself, or its digest where it isn't one. No two have the same, and
 * who is registered under a digest acts by the identifier that it is of.
 */
export function nameOf(identifier: string): string {
  return NAME.test(identifier) && !identifier.startsWith(DIGEST) ? identifier : digestOf(identifier);
}

function digestOf(identifier: string): string {
  return DIGEST + hash("sha256", identifier);
}

/** No UTF-8 begins with it: what follows is the digest of no identifier, and so the name of no agent. */
const NO_TEXT = Buffer.from([0xff]);

function nobody(type: string, id: string): string {
  return DIGEST + hash("sha256", Buffer.concat([NO_TEXT, Buffer.from(JSON.stringify([type, id]))]));
}
