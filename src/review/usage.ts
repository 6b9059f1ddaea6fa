/**
 * Counts what each entry of a purpose was used for in the records of a period: one verb on one type at a time, since that is the least that
 * an entry can permit. Memory grows with the policy and not with the log.
 */
import { triedEntries } from "../explain/tried_entries.js";
import { resolvePath, UnknownWord } from "../bundle/matchers.js";
import {
  inputPlaces,
  overlap,
  Problem,
  type PolicyInput,
  type Purpose,
  type Relation,
  type Scalar,
  type ValueType,
  type Vocabulary,
} from "../contract/index.js";
import { vocabularyReader } from "../decision/values.js";
import { fit } from "../replay/fit.js";
import { dependsOnMask, withoutDigests } from "../replay/mask_dependence.js";
import type { ReplayableRecord } from "../replay/recorded_decision.js";
import { Distinct } from "./distinct.js";
import { relationIn } from "./relation.js";
import { cellKey, type PermittedCell, type WrittenEntry } from "./written_purposes.js";

export interface UseExample {
  seq: number;
  decision_id: string;
  time: string;
  agent: string;
  id: string | null;
}

/** The values that a field had whenever it was used; `other` where there are more than are told apart. */
export interface FieldUse {
  /** Field as an author writes it in `when`. */
  name: string;
  type: ValueType;
  values: Map<Scalar, number>;
  other: number;
  /** Uses in which nothing was known of it. */
  unknown: number;
  most: number;
}

export interface CellUse extends PermittedCell {
  uses: number;
  /** Uses among these that waited for a person. */
  waited: number;
  agents: Distinct;
  resources: Distinct;
  /** Pieces of work that it was used in; an action on no task is one by itself. */
  tasks: Distinct;
  /** RFC 3339; empty where it was never used. */
  first: string;
  last: string;
  first_ms: number;
  relations: Record<Relation, number>;
  fields: FieldUse[];
  examples: UseExample[];
  /** Uses of which masks leave open what they were. */
  masked: number;
}

export interface UsageCounts {
  /** Decisions on actions for the purpose, also those that were refused. */
  decisions: number;
  /** Decisions among these that permitted something, at once or after a person looked. */
  permitted: number;
  masked: number;
  /** Decisions whose actions the vocabulary can't express: such a request is refused where it is sent. */
  inexpressible: number;
  unreadable: number;
  first: string | null;
  last: string | null;
}

const EXAMPLES_MAX = 3;
const VALUES_MAX = 64;

export class Usage {
  readonly counts: UsageCounts = { decisions: 0, permitted: 0, masked: 0, inexpressible: 0, unreadable: 0, first: null, last: null };
  readonly agents = new Map<string, { uses: number; first: string; last: string }>();
  readonly #purpose: string;
  readonly #data: { vocabulary: Vocabulary; purposes: Record<string, Purpose>; zones: Record<string, never> };
  readonly #reader;
  readonly #cells = new Map<WrittenEntry["entry"], Map<string, CellUse>>();

  constructor(purpose: string, compiled: Purpose, entries: readonly WrittenEntry[], vocabulary: Vocabulary) {
    this.#purpose = purpose;
    this.#data = { vocabulary, purposes: { [purpose]: compiled }, zones: {} };
    this.#reader = vocabularyReader(vocabulary);
    for (const { entry, cells } of entries) {
      this.#cells.set(entry, new Map(cells.map((cell) => [cellKey(cell), nothing(cell, vocabulary)])));
    }
  }

  of({ entry }: WrittenEntry): CellUse[] {
    return [...(this.#cells.get(entry)?.values() ?? [])];
  }

  /** Decisions for other purposes are passed over. */
  take(recorded: ReplayableRecord): void {
    const { made, record } = recorded;
    const request = made.by === "policy" ? made.inputs[0].request : made.request;
    if (request.purpose !== this.#purpose) return;
    const { counts } = this;
    counts.decisions++;
    // A clock may have been put back.
    if (counts.first === null || record.time < counts.first) counts.first = record.time;
    if (counts.last === null || record.time > counts.last) counts.last = record.time;
    const { decision } = record.answer;
    if (made.by === "floor" || decision === "deny") return;
    counts.permitted++;
    this.#takeAgent(request.agent, record.time);
    const masked = dependsOnMask(recorded, this.#data.vocabulary);
    if (masked) counts.masked++;
    withoutDigests(made.inputs, recorded.masked);
    // Up the chain everything has to be permitted too.
    for (const input of made.inputs) this.#takeLevel(input, recorded, masked);
  }

  #takeAgent(agent: string, time: string): void {
    const known = this.agents.get(agent);
    if (known === undefined) {
      if (this.agents.size < AGENTS_MAX) this.agents.set(agent, { uses: 1, first: time, last: time });
      return;
    }
    known.uses++;
    known.last = time;
  }

  #takeLevel(recordedInput: PolicyInput, recorded: ReplayableRecord, masked: boolean): void {
    let input: PolicyInput;
    try {
      ({ input } = fit(recordedInput, this.#reader));
    } catch (cause) {
      if (!(cause instanceof Problem)) throw cause;
      this.counts.inexpressible++;
      return;
    }
    const key = cellKey({ verb: input.request.verb, type: input.request.resource.type });
    for (const { effect, entry, applies } of triedEntries(this.#data, input)) {
      if (effect === "never") continue;
      // An unknown never helps an `allow`, and counts in a `flag`. What is masked may have been anything.
      const used = masked || (effect === "allow" ? applies === "yes" : applies !== "no");
      const cell = used ? this.#cells.get(entry)?.get(key) : undefined;
      if (cell !== undefined) count(cell, input, recorded, masked, this.#data.vocabulary);
    }
  }
}

/** Agents beyond these are counted in figures, and not told apart. */
export const AGENTS_MAX = 10_000;

function count(cell: CellUse, input: PolicyInput, { record, seq }: ReplayableRecord, masked: boolean, vocabulary: Vocabulary): void {
  const { time, answer } = record;
  const { agent, resource } = input.request;
  cell.uses++;
  if (!answer.proceed) cell.waited++;
  if (cell.first === "" || time < cell.first) [cell.first, cell.first_ms] = [time, Date.parse(time)];
  if (time > cell.last) cell.last = time;
  const isNew = [cell.agents.see(agent), cell.resources.see(resource.id ?? "")].includes(true);
  cell.tasks.see(input.request.task ?? answer.decision_id);
  if (isNew && cell.examples.length < EXAMPLES_MAX) {
    cell.examples.push({ seq, decision_id: answer.decision_id, time, agent, id: resource.id });
  }
  if (masked) {
    cell.masked++;
    return;
  }
  cell.relations[relationIn(input, vocabulary)]++;
  for (const field of cell.fields) countField(field, input, resource.type, vocabulary);
}

function countField(field: FieldUse, input: PolicyInput, type: string, vocabulary: Vocabulary): void {
  const place = resolvePath(field.name, type, vocabulary);
  const value = place instanceof UnknownWord ? null : at(input, place.path);
  if (typeof value === "number") field.most = Math.max(field.most, value);
  else if (typeof value !== "string" && typeof value !== "boolean") field.unknown++;
  else if (field.values.has(value) || field.values.size < VALUES_MAX) field.values.set(value, (field.values.get(value) ?? 0) + 1);
  else field.other++;
}

function at(input: unknown, path: readonly string[]): unknown {
  let value = input;
  for (const step of path) {
    if (typeof value !== "object" || value === null || !Object.hasOwn(value, step)) return null;
    value = (value as Record<string, unknown>)[step];
  }
  return value ?? null;
}

function nothing(cell: PermittedCell, vocabulary: Vocabulary): CellUse {
  return {
    ...cell,
    ...{ uses: 0, waited: 0, masked: 0, first: "", last: "", first_ms: NaN, examples: [] },
    agents: new Distinct(),
    resources: new Distinct(),
    tasks: new Distinct(),
    relations: { task: 0, other: 0, unknown: 0 },
    fields: narrowing(cell, vocabulary),
  };
}

/**
 * Returns the fields that a `when` could narrow and a period can show: fields with few values, and amounts that an agent writes. An amount
 * that it reads says nothing about what it should be able to read; and which agents exist is known from their registration.
 */
function narrowing({ verb, type }: PermittedCell, vocabulary: Vocabulary): FieldUse[] {
  const spec = vocabulary.types[type];
  const reads = vocabulary.verbs[verb]?.class === "read";
  const names = [
    ...Object.keys(spec?.attributes ?? {}),
    ...Object.keys(vocabulary.task.attributes).map((name) => `task.${name}`),
    ...Object.keys(spec?.arguments ?? {}).map((name) => `arguments.${name}`),
  ];
  return names.flatMap((name): FieldUse[] => {
    const place = resolvePath(name, type, vocabulary);
    if (place instanceof UnknownWord) return [];
    const { kind } = place.type;
    const amount = (kind === "integer" || kind === "number") && name.startsWith("arguments.") && !reads;
    if (kind !== "enum" && kind !== "boolean" && !amount) return [];
    const isMasked = (vocabulary.masks ?? []).some((mask) =>
      inputPlaces(mask, type, vocabulary).some((masked) => overlap(masked, place.path)),
    );
    if (isMasked) return [];
    return [{ name, type: place.type, values: new Map(), other: 0, unknown: 0, most: -Infinity }];
  });
}
