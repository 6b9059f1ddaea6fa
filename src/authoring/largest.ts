/** Inputs of a policy that are as large as a service makes them: the request, the agent and the task each fill the body of one request. */
import {
  ID_LENGTH_MAX,
  REQUEST_LIMITS,
  RETURNED,
  SUBJECT_IDS_MAX,
  argumentOf,
  type ArgumentFlow,
  type Fields,
  type FlowFactsInput,
  type PolicyInput,
  type Value,
  type ValueType,
  type Values,
  type Vocabulary,
} from "../contract/index.js";
import { SHOWN_MAX } from "../flow/look_up.js";
import { SOURCES_MAX } from "../flow/seen_memory.js";

/** A letter of three bytes takes an evaluation twice as long as three letters of one. */
const LETTER = "€";
const LETTER_BYTES = 3;
/** Around a member of an object: two quotes, a colon and a comma. */
const MEMBER_BYTES = 4;
const EMAIL_HOST = ".example.com";
const EMAIL_HOST_LENGTH_MAX = 189;
const UUID = "00000000-0000-4000-8000-000000000000";

/** An action on one type for one purpose. */
export interface PolicyAction {
  purpose: string;
  type: string;
  verb: string;
}

/**
 * Returns the inputs in which an action and its facts are largest. In the first all that is too long for one body has equal shares of it; in
 * each of the others one field goes before the rest. A list has as many elements as fit, since each costs more than a longer one.
 */
export function* largestInputs(vocabulary: Vocabulary, action: PolicyAction): Generator<PolicyInput> {
  const parts = partsOf(vocabulary, action);
  const even = parts.map(({ fields, bytes }) => share(fields, bytes, null));
  yield inputOf(vocabulary, action, even.map(filled));
  for (const [i, { fields, bytes }] of parts.entries())
    for (const [name, { bytes: given }] of even[i] ?? []) {
      const uneven = share(fields, bytes, name);
      if ((uneven.get(name)?.bytes ?? 0) > given) yield inputOf(vocabulary, action, even.with(i, uneven).map(filled));
    }
}

/** A list or a string of an action or its facts. */
export interface SizeBound {
  /** Its place in the vocabulary. */
  place: string;
  type: Extract<ValueType, { max: number }>;
}

/** Returns the bounds that the size of an action depends on, those of what can be largest first. */
export function boundsOf(vocabulary: Vocabulary, action: PolicyAction): SizeBound[] {
  const found = new Map<SizeBound["type"], { place: string; bytes: number }>();
  const add = (place: string, type: ValueType, bytes: number): void => {
    if (type.kind === "object") for (const [name, of] of Object.entries(type.fields)) add(`${place}.${name}`, of, bytesMax(of));
    if (type.kind !== "string" && type.kind !== "list") return;
    if (!found.has(type)) found.set(type, { place, bytes });
    if (type.kind === "list") add(type.of.kind === "object" ? place : `${place}[]`, type.of, bytes / type.max);
  };
  const { types, task, agent } = vocabulary;
  const { related = {}, arguments: given = {} } = types[action.type] ?? {};
  const named: [place: string, fields: Fields][] = [
    [`types.${action.type}.arguments`, given],
    ...[action.type, ...Object.values(related)].map((type): [string, Fields] => [
      `types.${type}.attributes`,
      types[type]?.attributes ?? {},
    ]),
    ["task.attributes", task.attributes],
    ["agent.attributes", agent.attributes],
  ];
  for (const [place, fields] of named) for (const [name, type] of Object.entries(fields)) add(`${place}.${name}`, type, bytesMax(type));
  return [...found].sort(([, a], [, b]) => b.bytes - a.bytes).map(([type, { place }]) => ({ place, type }));
}

interface Part {
  /** Path of a field → its type. */
  fields: Fields;
  bytes: number;
}

type Shares = Map<string, { type: ValueType; bytes: number }>;

/** Returns the request, the task and the agent. */
function partsOf(vocabulary: Vocabulary, action: PolicyAction): Part[] {
  const { type, verb } = action;
  const id: ValueType = { kind: "id" };
  const ids: ValueType = { kind: "list", of: id, max: SUBJECT_IDS_MAX };
  const { related = {}, arguments: given = {}, attributes = {} } = vocabulary.types[type] ?? {};
  const request = [
    ...(vocabulary.verbs[verb]?.collection === true ? [] : [["resource.id", id] as const]),
    ...under("resource.attributes", attributes),
    ...under("arguments", given),
    ...Object.entries(related).flatMap(([role, of]) => [
      [`related.${role}.id`, id] as const,
      ...under(`related.${role}.attributes`, vocabulary.types[of]?.attributes ?? {}),
    ]),
  ];
  const task = [
    ...vocabulary.task.subjects.map((name) => [`subjects.${name}`, ids] as const),
    ...under("attributes", vocabulary.task.attributes),
  ];
  const around = inputOf(vocabulary, action, []);
  return [
    { fields: Object.fromEntries(request), bytes: room(around.request) },
    { fields: Object.fromEntries(task), bytes: room(around.facts.task) },
    { fields: Object.fromEntries(under("attributes", vocabulary.agent.attributes)), bytes: room(around.facts.agent) },
  ];
}

/** Returns the bytes that a body has left beside this. */
function room(around: unknown): number {
  return REQUEST_LIMITS.body_bytes_max - Buffer.byteLength(JSON.stringify(around));
}

function under(path: string, fields: Fields): (readonly [string, ValueType])[] {
  return Object.entries(fields).map(([name, type]) => [`${path}.${name}`, type] as const);
}

/**
 * Shares bytes among fields: each has as many as its shortest value takes, and of the rest all have the same until they are full.
 * @param first field that takes what it can before the others
 */
function share(fields: Fields, bytes: number, first: string | null): Shares {
  const shares: Shares = new Map();
  let left = bytes - 2;
  for (const [name, type] of Object.entries(fields)) left -= name.length + MEMBER_BYTES + bytesMin(type);
  const more = (type: ValueType): number => bytesMax(type) - bytesMin(type);
  const order = Object.entries(fields).sort(([a, one], [b, other]) => Number(b === first) - Number(a === first) || more(one) - more(other));
  for (const [i, [name, type]] of order.entries()) {
    const own = Math.max(0, Math.min(more(type), name === first ? left : Math.floor(left / (order.length - i))));
    left -= own;
    shares.set(name, { type, bytes: bytesMin(type) + own });
  }
  return shares;
}

function filled(shares: Shares): Values {
  return Object.fromEntries([...shares].map(([path, { type, bytes }]) => [path, valueOf(type, bytes, 0)]));
}

/** Returns a value of a type that takes at most so many bytes as JSON, unless its shortest takes more. */
function valueOf(type: ValueType, bytes: number, i: number): Value {
  switch (type.kind) {
    case "list": {
      const length = Math.max(0, Math.min(elementsMax(type), Math.floor((bytes - 2) / (bytesMin(type.of) + 1))));
      return Array.from({ length }, (_, at) => valueOf(type.of, Math.floor((bytes - 2) / length) - 1, at));
    }
    case "object":
      return Object.fromEntries([...share(type.fields, bytes, null)].map(([name, of]) => [name, valueOf(of.type, of.bytes, i)]));
    case "enum":
      return type.values[i % type.values.length] ?? "";
    case "boolean":
      return true;
    case "integer":
    case "number":
      return i;
    case "date":
      return "2026-03-01";
    case "time":
      return "2026-03-01T09:30:00Z";
    case "duration":
      return "36h";
    case "email":
      return text(`x${i}@`, bytes - EMAIL_HOST.length, EMAIL_HOST_LENGTH_MAX - EMAIL_HOST.length) + EMAIL_HOST;
    case "string":
      return text(`x${i}`, bytes, type.max);
    case "id":
      return text(`x${i}`, bytes, ID_LENGTH_MAX);
  }
}

/** Returns different texts for different starts, as far as they have room. */
function text(start: string, bytes: number, lengthMax: number): string {
  const head = start.slice(0, lengthMax);
  const letters = Math.min(lengthMax - head.length, Math.floor((bytes - 2 - head.length) / LETTER_BYTES));
  return head + LETTER.repeat(Math.max(0, letters));
}

function elementsMax({ max }: { max: number }): number {
  return Math.min(max, REQUEST_LIMITS.members_max);
}

/** Bytes of the shortest value: one that differs from its neighbours; no element of a list. */
function bytesMin(type: ValueType): number {
  switch (type.kind) {
    case "list":
      return 2;
    case "object":
      return membersOf(type.fields, bytesMin);
    case "string":
      return 2 + Math.min(type.max, 4);
    case "id":
      return 6;
    case "email":
      return 7 + EMAIL_HOST.length;
    case "enum":
      return 2 + Math.max(...type.values.map((value) => Buffer.byteLength(value)));
    case "time":
      return 22;
    case "date":
      return 12;
    default:
      return 5;
  }
}

function bytesMax(type: ValueType): number {
  switch (type.kind) {
    case "list":
      return 2 + elementsMax(type) * (bytesMax(type.of) + 1);
    case "object":
      return membersOf(type.fields, bytesMax);
    case "string":
      return 2 + type.max * LETTER_BYTES;
    case "id":
      return 2 + ID_LENGTH_MAX * LETTER_BYTES;
    case "email":
      return 7 + EMAIL_HOST_LENGTH_MAX * LETTER_BYTES;
    default:
      return bytesMin(type);
  }
}

function membersOf(fields: Fields, bytes: (type: ValueType) => number): number {
  return Object.entries(fields).reduce((sum, [name, type]) => sum + name.length + MEMBER_BYTES + bytes(type), 2);
}

function inputOf(vocabulary: Vocabulary, { purpose, type, verb }: PolicyAction, parts: readonly Values[]): PolicyInput {
  const [request = {}, task = {}, agent = {}] = parts;
  const resource = (path: string, of: string): PolicyInput["request"]["resource"] => ({
    type: of,
    id: (request[`${path}.id`] ?? null) as string | null,
    attributes: at(request, `${path}.attributes`),
  });
  const related = Object.entries(vocabulary.types[type]?.related ?? {});
  return {
    request: {
      ...{ agent: "a", purpose, task: "t", verb, resource: resource("resource", type) },
      related: Object.fromEntries(related.map(([role, of]) => [role, resource(`related.${role}`, of)])),
      arguments: at(request, "arguments"),
      context: { session: null, source: null, trace: null },
    },
    facts: {
      time: { ms: 1_803_978_000_000, claim_ms: null },
      caller: { id: "c" },
      principal: null,
      agent: { id: "a", version: "1", owner: "o", attributes: at(agent, "attributes") },
      task: {
        id: "t",
        subjects: at(task, "subjects") as Record<string, string[]>,
        attributes: at(task, "attributes"),
        ...{ depth: 0, root: "t" },
      },
      grants: [],
      behavior: { risk: 100, confidence: 1, channels: {}, reasons: [] },
      flow: vocabulary.flow === undefined ? null : flowOf(vocabulary, type, verb),
    },
  };
}

/** Returns the members under a path, by their own names. */
function at(values: Values, path: string): Values {
  const prefix = `${path}.`;
  return Object.fromEntries(
    Object.entries(values).flatMap(([name, value]) => (name.startsWith(prefix) ? [[name.slice(prefix.length), value] as const] : [])),
  );
}

/** Returns as many values with as many sources as a policy is shown. */
function flowOf(vocabulary: Vocabulary, type: string, verb: string): FlowFactsInput {
  const { roles = {}, effects = {} } = vocabulary.types[type]?.flow ?? {};
  const source = { writer: "anyone", record: UUID, path: "x".repeat(RETURNED.path_length_max), named: false, alone: false } as const;
  const known = { kind: "name", writer: "anyone", introduced: "anyone", inside: false, excluded: false, secret: false } as const;
  const places = Object.entries(roles);
  const shown = Array.from({ length: SHOWN_MAX }, (_, i) => places[i % places.length]).flatMap((one, i): [string, ArgumentFlow][] =>
    one === undefined
      ? []
      : [[`${argumentOf(one[0])}/${i}`, { role: one[1], ...known, sources: Array.from({ length: SOURCES_MAX }, () => source) }]],
  );
  return {
    effect: effects[verb] ?? vocabulary.verbs[verb]?.effect ?? null,
    ...{ complete: true, instructed: true, others: true, full: [], labels: [], limits: {} },
    arguments: Object.fromEntries(shown),
  };
}
