/**
 * From parsed JSON to an action: the envelope by its compiled schema, then every value by the vocabulary of the active
 * bundle. What the integrator got wrong is a problem; what an agent may have made up (a verb, a type) is left to the
 * floor, which refuses it on the record.
 */
import { hash } from "node:crypto";
import type { ErrorObject } from "ajv";
import {
  DecideRequest,
  Problem,
  canonicalAction,
  parseTime,
  pointerToken,
  type InputResource,
  type PolicyInput,
  type Resource,
  type ResourceType,
  type VerbSpec,
} from "../contract/index.js";
import type { TaskProof } from "./ports.js";
import { checkId, type TypeReader, type VocabularyReader } from "./values.js";
import { schemas, type Validator } from "../system/schemas.js";

export interface ReadAction {
  request: PolicyInput["request"];
  /** Null where the vocabulary has no such verb or type; the floor then refuses and no policy sees the action. */
  verb: VerbSpec | null;
  type: ResourceType | null;
  request_id: string | null;
  claim_ms: number | null;
  /** Facts revision that the caller must see honoured. */
  at_least: number;
  /** The agent's own token, not verified yet. */
  agent_token: string | null;
  task_proof: TaskProof | null;
  /** `sha256:` and hex, of `canonicalAction`. */
  digest: string;
  /** Adapter in whose terms the request was made; null: in our own. */
  adapter: string | null;
}

const ajv = schemas({ strictTypes: false, ownProperties: true });
const validEnvelope = ajv.compile<DecideRequest>(DecideRequest);

/**
 * @param asked parsed JSON
 * @throws Problem (400) naming field and expectation; see `docs/reference.md`
 */
export function readAction(asked: unknown, vocabulary: VocabularyReader, taskProof: (token: string) => TaskProof): ReadAction {
  checkEnvelope(validEnvelope, asked);
  return readChecked(asked, vocabulary, taskProof);
}

/**
 * Reads an envelope like `readAction`, after its own schema has checked it.
 * @throws Problem (400)
 */
export function readChecked(asked: DecideRequest, vocabulary: VocabularyReader, taskProof: (token: string) => TaskProof): ReadAction {
  const { agent, purpose, verb: verbName, resource, related = {}, context = {} } = asked;
  const task_proof = asked.task_token === undefined ? null : taskProof(asked.task_token);
  const task = asked.task ?? task_proof?.task ?? null;
  checkText(asked);
  const verb = vocabulary.verbs.get(verbName) ?? null;
  const type = vocabulary.types.get(resource.type) ?? null;
  if (verb !== null && type !== null) checkCollection(verb.collection, resource.id);
  return {
    // In key order, here and below: it is written as it stands, into what the policy sees and into the record.
    request: {
      agent,
      arguments: type === null ? {} : type.arguments(asked.arguments, "/arguments"),
      context: { session: context.session ?? null, source: context.source ?? null, trace: context.trace ?? null },
      purpose,
      related: type === null ? {} : readRelated(related, type, vocabulary),
      resource: type === null ? unreadResource(resource) : readResource(resource, type, "/resource"),
      task,
      verb: verbName,
    },
    verb,
    type: type?.spec ?? null,
    request_id: asked.request_id ?? null,
    claim_ms: readClaim(asked.time),
    at_least: asked.at_least ?? 0,
    agent_token: asked.agent_token ?? null,
    task_proof,
    digest: `sha256:${hash("sha256", canonicalAction(asked, task))}`,
    adapter: null,
  };
}

/** Checks that a value has the schema's shape. @throws Problem `field_missing`, `field_unknown`, `field_type`, `field_invalid` */
export function checkEnvelope<T>(valid: Validator<T>, value: unknown): asserts value is T {
  if (valid(value)) return;
  const errors = valid.errors ?? [];
  const error = errors.at(-1);
  throw error === undefined ? new Problem("field_invalid") : problemOf(error.keyword === "anyOf" ? branch(errors) : error);
}

/** Returns the most helpful of a union's errors: why the branch of the value's own type refused it, or else all the types. */
function branch(errors: ErrorObject[]): ErrorObject {
  const [union, branches] = [errors.at(-1), errors.slice(0, -1)];
  const types = branches.flatMap(({ keyword, params }) => (keyword === "type" ? [String(params["type"])] : []));
  const other = branches.find(({ keyword }) => keyword !== "type");
  return other ?? ({ ...union, keyword: "type", params: { type: types.join(" or ") } } as ErrorObject);
}

function problemOf(error: ErrorObject): Problem {
  const at = error.instancePath;
  const params = error.params as Record<string, unknown>;
  switch (error.keyword) {
    case "required":
      return new Problem("field_missing", { field: `${at}/${String(params["missingProperty"])}`, expected: "a value" });
    case "additionalProperties":
      return new Problem("field_unknown", {
        field: `${at}/${pointerToken(String(params["additionalProperty"]))}`,
        expected: "only the fields of the schema",
      });
    case "type":
      return new Problem("field_type", { field: at, expected: String(params["type"]) });
    default:
      return new Problem("field_invalid", { field: at, expected: error.message ?? error.keyword });
  }
}

const CONTEXT = ["session", "source", "trace"] as const;

/** Identifiers and claims among the envelope's free text. Names have been checked by their pattern. */
function checkText(asked: DecideRequest): void {
  if (asked.request_id !== undefined) checkId(asked.request_id, "/request_id");
  if (asked.context === undefined) return;
  for (const name of CONTEXT) {
    const value = asked.context[name];
    if (value !== undefined) checkId(value, `/context/${name}`);
  }
}

function checkCollection(collection: boolean, id: string | null): void {
  if (collection && id !== null) throw new Problem("resource_id_forbidden", { field: "/resource/id", expected: "null" });
  if (!collection && id === null) throw new Problem("resource_id_required", { field: "/resource/id", expected: "an id" });
}

function readResource(resource: Resource, type: TypeReader, field: string): InputResource {
  if (resource.id !== null) type.checkId(resource.id, `${field}/id`);
  return {
    attributes: type.attributes(resource.attributes, `${field}/attributes`),
    id: resource.id,
    type: resource.type,
  };
}

/** Returns a resource of a type that the vocabulary lacks. Only its id can be checked: the floor refuses it, the record keeps its name. */
function unreadResource(resource: Resource): InputResource {
  if (resource.id !== null) checkId(resource.id, "/resource/id");
  return { attributes: {}, id: resource.id, type: resource.type };
}

function readRelated(related: Record<string, Resource>, type: TypeReader, vocabulary: VocabularyReader): Record<string, InputResource> {
  for (const role of Object.keys(related)) {
    if (type.related.has(role)) continue;
    const roles = [...type.related.keys()];
    throw new Problem("field_unknown", {
      field: `/related/${pointerToken(role)}`,
      expected: roles.length === 0 ? "no related resources" : `one of ${roles.join(", ")}`,
    });
  }
  const filled: Record<string, InputResource> = {};
  for (const [role, typeName] of type.related) {
    const reader = vocabulary.types.get(typeName);
    if (reader === undefined) continue; // the builder refuses a role of an unknown type
    const given = Object.hasOwn(related, role) ? related[role] : undefined;
    if (given?.id === null) {
      throw new Problem("resource_id_required", {
        field: `/related/${role}/id`,
        expected: "an id, or the role left out",
      });
    }
    if (given !== undefined && given.type !== typeName) {
      throw new Problem("field_invalid", { field: `/related/${role}/type`, expected: typeName });
    }
    filled[role] = readResource(given ?? { type: typeName, id: null }, reader, `/related/${role}`);
  }
  return filled;
}

function readClaim(time: string | undefined): number | null {
  if (time === undefined) return null;
  const ms = parseTime(time);
  if (ms === null) throw new Problem("time_invalid", { field: "/time", expected: "an RFC 3339 date-time that exists" });
  return ms;
}
