/** An input that was made for one vocabulary, as a request and facts would have been read by another. */
import { Problem, type InputResource, type PolicyInput, type Values } from "../contract/index.js";
import { taskSubjects } from "../decision/gather.js";
import type { ReadFields, TypeReader, VocabularyReader } from "../decision/values.js";

export interface Fitted {
  input: PolicyInput;
  /** Fields that say something and that this vocabulary doesn't know: left out. Such a request is refused where it is sent. */
  unknown: string[];
  /** Fields of this vocabulary that the input doesn't have: null. */
  missing: string[];
}

/**
 * A type or a verb that this vocabulary lacks stays, for the floor to refuse.
 * @throws Problem where a value is not one that this vocabulary can express
 */
export function fit({ request, facts }: PolicyInput, vocabulary: VocabularyReader): Fitted {
  const said = { unknown: new Set<string>(), missing: new Set<string>() };
  const type = vocabulary.types.get(request.resource.type);
  const { agent, task } = facts;
  const verb = vocabulary.verbs.get(request.verb);
  if (type !== undefined && verb !== undefined) checkId(request.resource.id, verb.collection, type);
  note(`agent`, agent.attributes, vocabulary.agent(agent.attributes), said);
  note(`task`, task.attributes, vocabulary.task(task.attributes), said);
  const subjects = taskSubjects({ subjects: withoutNulls(task.subjects) }, vocabulary);
  note(`task`, task.subjects, subjects, said);
  const input: PolicyInput = {
    facts: {
      ...facts,
      agent: { ...agent, attributes: vocabulary.agent(agent.attributes) },
      task: { ...task, attributes: vocabulary.task(task.attributes), subjects },
    },
    request:
      type === undefined
        ? request
        : {
            ...request,
            arguments: fields(`${request.resource.type}.arguments`, request.arguments, type.spec.arguments, type.arguments, said),
            related: related(request, type, vocabulary, said),
            resource: resource(request.resource, type, said),
          },
  };
  return { input, unknown: [...said.unknown], missing: [...said.missing] };
}

interface UnfitWords {
  unknown: Set<string>;
  missing: Set<string>;
}

function resource({ attributes, id, type: name }: InputResource, type: TypeReader, said: UnfitWords): InputResource {
  if (id !== null) type.checkId(id, "/resource/id");
  return { attributes: fields(name, attributes, type.spec.attributes, type.attributes, said), id, type: name };
}

function related(
  { related: given, resource: of }: PolicyInput["request"],
  type: TypeReader,
  vocabulary: VocabularyReader,
  said: UnfitWords,
): Record<string, InputResource> {
  const fitted: Record<string, InputResource> = {};
  for (const [role, { id }] of Object.entries(given)) {
    if (!type.related.has(role) && id !== null) said.unknown.add(`${of.type}.related.${role}`);
  }
  for (const [role, name] of type.related) {
    const reader = vocabulary.types.get(name);
    if (reader === undefined) continue;
    const was = Object.hasOwn(given, role) ? given[role] : undefined;
    if (was === undefined) said.missing.add(`${of.type}.related.${role}`);
    else if (was.id !== null && was.type !== name) {
      throw new Problem("field_invalid", { field: `/related/${role}/type`, expected: name });
    }
    const same = was?.type === name;
    const empty = { attributes: reader.attributes(undefined, ""), id: null, type: name };
    fitted[role] = same ? resource(was, reader, said) : empty;
  }
  return fitted;
}

function fields(at: string, given: Values, known: object, read: ReadFields, said: UnfitWords): Values {
  const kept: Values = {};
  for (const [name, value] of Object.entries(given)) {
    if (Object.hasOwn(known, name)) kept[name] = value;
  }
  const fitted = read(kept, "");
  note(at, given, fitted, said);
  return fitted;
}

function note(at: string, given: object, fitted: object, { unknown, missing }: UnfitWords): void {
  const now = fitted as Record<string, unknown>;
  for (const [name, value] of Object.entries(given)) {
    if (value !== null && (!Object.hasOwn(now, name) || now[name] === null)) unknown.add(`${at}.${name}`);
  }
  for (const name of Object.keys(now)) if (!Object.hasOwn(given, name)) missing.add(`${at}.${name}`);
}

function withoutNulls(subjects: Record<string, string[] | null>): Record<string, string[]> {
  const kept: Record<string, string[]> = {};
  for (const [type, ids] of Object.entries(subjects)) if (ids !== null) kept[type] = ids;
  return kept;
}

function checkId(id: string | null, collection: boolean, type: TypeReader): void {
  if (collection && id !== null) throw new Problem("resource_id_forbidden", { field: "/resource/id", expected: "null" });
  if (!collection && id === null) throw new Problem("resource_id_required", { field: "/resource/id", expected: "an id" });
  if (id !== null) type.checkId(id, "/resource/id");
}
