/** Texts that records are found by, as numbers: each text of a field has one, from its first record on. */
import type { NOVEL_FIELDS } from "../../contract/index.js";
import { COLUMNS, NONE, type Column } from "./block.js";
import type { Row, RowReason } from "./row.js";
import { IndexUnfit } from "./unfit.js";

/** `rule` and `habit` are no columns: only when they came first is kept. */
export const FIELDS = [...COLUMNS, "rule", "habit"] as const satisfies readonly (Column | (typeof NOVEL_FIELDS)[number])[];
export type Field = (typeof FIELDS)[number];
export const fieldNumber = (field: Field): number => FIELDS.indexOf(field);

export interface Term {
  id: number;
  field: Field;
  text: string;
  /** The record that was the first to have it. */
  first: number;
}

/** What was stored of terms. */
export interface StoredTerms {
  readonly lastId: number;
  idOf(field: Field, text: string): number | null;
  textOf(id: number): string | null;
  /** Terms of a field whose text begins so. */
  withPrefix(field: Field, prefix: string): Iterable<{ id: number; text: string }>;
  all(field: Field): Iterable<{ id: number; text: string }>;
}

/** Per field: so many are remembered before all are forgotten, and looked up again. */
const REMEMBERED_MAX = 50_000;

export class Terms {
  readonly #stored: StoredTerms;
  readonly #remembered: Record<Field, Map<string, number>>;
  /** Not stored yet, by id. */
  #fresh = new Map<number, Term>();
  #freshIds: Record<Field, Map<string, number>>;
  #lastId: number;
  /** Of each set of reasons that any record has. */
  readonly #reasonSets = new Map<number, readonly RowReason[]>();

  constructor(stored: StoredTerms) {
    this.#stored = stored;
    this.#lastId = stored.lastId;
    this.#remembered = perField();
    this.#freshIds = perField();
    for (const { id, text } of stored.all("reasons")) this.#reasonSets.set(id, readReasons(text));
  }

  /** The number of a text, from now on if it has none. */
  intern(field: Field, text: string | null, seq: number): number {
    if (text === null) return NONE;
    const known = this.find(field, text);
    if (known !== null) return known;
    const id = ++this.#lastId;
    this.#fresh.set(id, { id, field, text, first: seq });
    this.#freshIds[field].set(text, id);
    if (field === "reasons") this.#reasonSets.set(id, readReasons(text));
    return id;
  }

  find(field: Field, text: string): number | null {
    const known = this.#remembered[field].get(text) ?? this.#freshIds[field].get(text);
    if (known !== undefined) return known;
    const stored = this.#stored.idOf(field, text);
    if (stored !== null) this.#remember(field, text, stored);
    return stored;
  }

  text(id: number): string | null {
    return id === NONE ? null : (this.#fresh.get(id)?.text ?? this.#stored.textOf(id));
  }

  *withPrefix(field: Field, prefix: string): Generator<number> {
    for (const { id } of this.#stored.withPrefix(field, prefix)) yield id;
    for (const [text, id] of this.#freshIds[field]) if (text.startsWith(prefix)) yield id;
  }

  /** The sets of reasons of which one has this code. */
  reasonSetsWith(code: string): number[] {
    return [...this.#reasonSets].flatMap(([id, reasons]) => (reasons.some((one) => one.code === code) ? [id] : []));
  }

  reasons(set: number): readonly RowReason[] {
    return this.#reasonSets.get(set) ?? [];
  }

  get fresh(): readonly Term[] {
    return [...this.#fresh.values()];
  }

  /** All that was fresh is stored. */
  kept(): void {
    for (const { id, field, text } of this.#fresh.values()) this.#remember(field, text, id);
    this.#fresh = new Map();
    this.#freshIds = perField();
  }

  #remember(field: Field, text: string, id: number): void {
    const remembered = this.#remembered[field];
    if (remembered.size >= REMEMBERED_MAX) remembered.clear();
    remembered.set(text, id);
  }
}

function perField(): Record<Field, Map<string, number>> {
  return Object.fromEntries(FIELDS.map((field) => [field, new Map<string, number>()])) as Record<Field, Map<string, number>>;
}

/** The set of a record's reasons, as the text of a term. */
export function reasonsText({ reasons }: Row): string | null {
  return reasons.length === 0 ? null : JSON.stringify(reasons.map(({ effect, code, severity }) => [effect, code, severity]));
}

/** @throws IndexUnfit */
function readReasons(text: string): RowReason[] {
  try {
    return (JSON.parse(text) as [string, string, string][]).map(([effect, code, severity]) => ({ effect, code, severity }));
  } catch (cause) {
    throw new IndexUnfit("the index is damaged: reasons that are none", { cause });
  }
}

/** An agent that uses a verb on a type. */
export function habitText({ agent, verb, type }: Row): string | null {
  return agent === null || verb === null || type === null ? null : `${agent} ${verb} ${type}`;
}
