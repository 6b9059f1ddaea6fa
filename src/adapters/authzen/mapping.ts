/**
 * From AuthZEN's subject, action, resource and context to an action in the words of a vocabulary. What isn't said otherwise is found
 * under its own name: a resource's attribute in its properties, an argument in the action's, purpose and task in the context.
 */
import { hash } from "node:crypto";
import { NAME_PATTERN, Problem, isCanonicalId, pointerToken, type DecideRequest, type Resource } from "../../contract/index.js";
import type { VocabularyReader } from "../../decision/values.js";
import type { Config } from "../../system/config.js";
import type { Entities } from "./entities.js";
import { isSubjectId, namedPlaces, placeOf, textAt, textIfAt, valuesOf, type NamedPlaces, type QuestionPlace } from "./places.js";
import type { AuthzenQuestion } from "./read.js";

export type AuthzenConfig = NonNullable<Config["authzen"]>;

interface Type {
  type: string;
  attributes: NamedPlaces;
  arguments: NamedPlaces;
  related: readonly { role: string; type: string; id: QuestionPlace; attributes: NamedPlaces }[];
}

export interface Subjects {
  /** Undefined: nobody of this type acts here. */
  of: (type: string) => AuthzenSubjectMapping | undefined;
}

export interface AuthzenSubjectMapping {
  agent: QuestionPlace;
  prefix: string;
  purpose: QuestionPlace;
  /** True if the agent is named by the subject's own id unless a request says more of it. */
  isAgent: boolean;
}

export interface Mapping {
  subjects: Subjects;
  /** @throws Problem of what the request has to say and doesn't, or says in the wrong type */
  action: (question: AuthzenQuestion, vocabulary: VocabularyReader, requestId: string | null) => DecideRequest;
  /** Returns the agent that would act. @throws Problem */
  agentOf: (question: AuthzenQuestion) => string;
  /** The vocabulary's name of a resource type. */
  typeOf: (type: string) => string;
  /** The task that a request names. @throws Problem */
  taskOf: (question: AuthzenQuestion) => string | null;
  /** The task's token that a request brings along. @throws Problem */
  taskTokenOf: (question: AuthzenQuestion) => string | null;
  /** A problem of the action that a question was put as, at the place that whoever asked knows. */
  told: (problem: Problem, question: AuthzenQuestion, vocabulary: VocabularyReader) => Problem;
  /** Names of all actions, each once, sorted. */
  actionNames: (vocabulary: VocabularyReader) => string[];
}

/** The role of a resource that is the request's subject. */
const SUBJECT_ROLE = "subject";
/** Key of `actions` that stands for every name that is neither among them nor a verb. */
const ANY_ACTION = "*";
const TEXT_MAX = { request_id: 128, context: 256 };

export function mappingOf(config: AuthzenConfig, entities: Entities): Mapping {
  const purpose = placeOf(config.purpose ?? "context.purpose");
  const subjects = new Map(
    Object.entries(config.subjects).map(([type, { agent = "subject.id", prefix = "", ...own }]) => {
      const of = own.purpose === undefined ? purpose : placeOf(own.purpose);
      return [type, { agent: placeOf(agent), prefix, purpose: of, isAgent: isSubjectId(agent) }];
    }),
  );
  const { [ANY_ACTION]: otherwise, ...named } = config.actions ?? {};
  const actions = new Map(Object.entries(named));
  const resources = new Map(Object.entries(config.resources ?? {}));
  const task = placeOf(config.task ?? "context.task");
  const agentToken = placeOf(config.agent_token ?? "context.agent_token");
  const taskToken = placeOf(config.task_token ?? "context.task_token");
  const session = placeOf(config.session ?? "context.session");
  const source = placeOf(config.source ?? "context.source");
  const typesOf = typesCache(resources);

  function agentOf(question: AuthzenQuestion): string {
    const { type, id } = question.subject;
    const mapped = subjects.get(type);
    if (mapped === undefined) return nobody(type, id);
    return nameOf(mapped.prefix + textAt(mapped.agent, question, "the subject's agent"));
  }

  /** A verb is never taken for another one: what is written for the rest would else make `delete` a `read`. */
  function verbOf(name: string, vocabulary: VocabularyReader): string {
    const own = nameOf(name);
    return actions.get(name) ?? (otherwise === undefined || vocabulary.verbs.has(own) ? own : otherwise);
  }

  function purposeOf(question: AuthzenQuestion): string {
    return nameOf(textAt(purposePlace(question), question, "the purpose"));
  }

  function purposePlace({ subject }: AuthzenQuestion): QuestionPlace {
    return subjects.get(subject.type)?.purpose ?? purpose;
  }

  function taskOf(question: AuthzenQuestion): string | null {
    const named = textIfAt(task, question, "the task");
    return named === null ? null : nameOf(named);
  }

  function taskTokenOf(question: AuthzenQuestion): string | null {
    return textIfAt(taskToken, question, "the task's token");
  }

  function complete(asked: AuthzenQuestion): AuthzenQuestion {
    return {
      subject: entities.complete(asked.subject),
      action: asked.action,
      resource: entities.complete(asked.resource),
      context: asked.context,
    };
  }

  /** Returns the place in a question that its action's `field` comes from; null: no request has it. */
  function whereOf(field: string, question: AuthzenQuestion, vocabulary: VocabularyReader): string | null {
    const [, root = "", ...rest] = field.split("/");
    const { attributes, arguments: args, related } = typesOf(vocabulary, question.resource.type);
    switch (root) {
      case "agent":
        return subjects.get(question.subject.type)?.agent.at(question) ?? null;
      case "purpose":
        return purposePlace(question).at(question);
      case "task":
        return task.at(question);
      case "agent_token":
        return agentToken.at(question);
      case "task_token":
        return taskToken.at(question);
      case "verb":
        return "/action/name";
      case "arguments":
        return within(args, rest, question);
      case "resource":
        return rest[0] === "attributes" ? within(attributes, rest.slice(1), question) : field;
      case "related": {
        const [role, part, ...deeper] = rest;
        const found = related.find((one) => pointerToken(one.role) === role);
        if (found === undefined) return null;
        return part === "attributes" ? within(found.attributes, deeper, question) : found.id.at(question);
      }
      default:
        return null;
    }
  }

  return {
    subjects: { of: (type) => subjects.get(type) },
    action(asked, vocabulary, requestId) {
      const question = complete(asked);
      const { action, resource } = question;
      const verb = verbOf(action.name, vocabulary);
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
      const agent_token = textIfAt(agentToken, question, "the agent's token");
      if (agent_token !== null) request.agent_token = agent_token;
      const task_token = taskTokenOf(question);
      if (task_token !== null) request.task_token = task_token;
      const [from, at] = [claim(session.get(question), TEXT_MAX.context), claim(source.get(question), TEXT_MAX.context)];
      if (from !== null || at !== null)
        request.context = { ...(from === null ? {} : { session: from }), ...(at === null ? {} : { source: at }) };
      const id = claim(requestId, TEXT_MAX.request_id);
      if (id !== null) request.request_id = id;
      return request;
    },
    agentOf: (question) => agentOf(complete(question)),
    typeOf: (type) => resources.get(type)?.type ?? nameOf(type),
    taskOf: (question) => taskOf(complete(question)),
    taskTokenOf: (question) => taskTokenOf(complete(question)),
    told(problem, asked, vocabulary) {
      const { field } = problem.detail;
      const at = field === undefined ? null : whereOf(field, complete(asked), vocabulary);
      return at === null ? problem : new Problem(problem.code, { ...problem.detail, field: at });
    },
    actionNames(vocabulary) {
      const meant = new Set(actions.values());
      const unnamed = [...vocabulary.verbs.keys()].filter((verb) => !meant.has(verb));
      return [...new Set([...actions.keys(), ...unnamed])].sort();
    },
  };
}

type Resources = NonNullable<AuthzenConfig["resources"]>;

/** Returns a function that builds each type of a vocabulary once. Types that the vocabulary lacks are invented by callers, and not kept. */
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
}

function typeOf(type: string, own: Resources[string] | undefined, vocabulary: VocabularyReader): Type {
  const reader = vocabulary.types.get(type);
  if (reader === undefined) return { type, attributes: [], arguments: [], related: [] };
  const { attributes, arguments: args } = reader.spec;
  const related = [...reader.related].flatMap(([role, roleType]) => {
    const mapped = own?.related?.[role] ?? (role === SUBJECT_ROLE ? { id: "subject.id" } : undefined);
    if (mapped === undefined) return [];
    const fields = vocabulary.types.get(roleType)?.spec.attributes ?? {};
    const from = role === SUBJECT_ROLE ? ["subject", "properties"] : null;
    return [{ role, type: roleType, id: placeOf(mapped.id), attributes: namedPlaces(fields, mapped.attributes, from) }];
  });
  return {
    type,
    attributes: namedPlaces(attributes, own?.attributes, ["resource", "properties"]),
    arguments: namedPlaces(args, own?.arguments, ["action", "properties"]),
    related,
  };
}

function relatedOf({ related }: Type, question: AuthzenQuestion): Record<string, Resource> | null {
  if (related.length === 0) return null;
  const found: Record<string, Resource> = {};
  for (const { role, type, id, attributes } of related) {
    const value = textIfAt(id, question, `the id of ${role}`);
    if (value !== null) found[role] = { type, id: value, attributes: valuesOf(attributes, question) };
  }
  return found;
}

/** @param steps of a pointer into what has these names */
function within(named: NamedPlaces, [name, ...deeper]: readonly string[], question: AuthzenQuestion): string | null {
  const found = named.find(([own]) => pointerToken(own) === name);
  const at = found?.[1].at(question) ?? null;
  return at === null ? null : [at, ...deeper].join("/");
}

/**
 * Returns a claim that only describes; null if it has another form: a caller that uses the name for something else isn't refused for it.
 */
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
