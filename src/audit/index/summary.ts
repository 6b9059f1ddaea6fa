/** Records counted by what they have in common. */
import type { Summary, SummaryField, SummaryGroup } from "../../contract/index.js";
import { MARKS, NONE, seqAt, type Block, type Column } from "./block.js";
import type { RecordIndex } from "./record_index.js";
import { KIND_CODES } from "./row.js";

/** More can't be told apart at once. */
export const GROUPS_MAX = 100_000;

export class TooManyGroups extends Error {
  override readonly name = "TooManyGroups";
}

interface Counted {
  records: number;
  allow: number;
  deny: number;
  flag: number;
  proceed: number;
  first_ms: number;
  last_ms: number;
  last_seq: number;
}

const KINDS = new Map([...KIND_CODES].map(([kind, code]) => [code, kind]));
const DECISION_BITS = 0b11;

type Of = Record<string, string | null>;

/** What a field says of a position: a small number of the block's own, and a term, or a code, that stands for it in all blocks. */
interface Codes {
  count: number;
  at: (position: number) => number;
  id: (code: number) => number;
}

export class Counting {
  readonly #index: RecordIndex;
  readonly #by: readonly SummaryField[];
  /** By the ids of what each has. */
  readonly #groups = new Map<string, Counted & { ids: number[] }>();
  #records = 0;

  constructor(index: RecordIndex, by: readonly SummaryField[]) {
    this.#index = index;
    this.#by = by;
  }

  /** @throws TooManyGroups */
  add(block: Block, positions: readonly number[]): void {
    const fields = this.#by.map((field) => codesOf(block, field));
    const counted = new Map<number, Counted>();
    const { marks, times } = block;
    for (const position of positions) {
      let key = 0;
      for (const { count, at } of fields) key = key * count + at(position);
      let group = counted.get(key);
      if (group === undefined) counted.set(key, (group = nothing()));
      const { decision, proceed } = MARKS[marks[position] ?? 0] ?? { decision: null, proceed: false };
      const time = times[position] ?? 0;
      group.records++;
      if (decision !== null) group[decision]++;
      if (proceed) group.proceed++;
      group.first_ms = Math.min(group.first_ms, time);
      group.last_ms = Math.max(group.last_ms, time);
      group.last_seq = Math.max(group.last_seq, seqAt(block.number, position));
    }
    this.#records += positions.length;
    for (const [key, group] of counted) {
      const ids = idsOf(fields, key);
      const name = ids.join();
      const known = this.#groups.get(name);
      if (known !== undefined) sum(known, group);
      else if (this.#groups.size >= GROUPS_MAX) throw new TooManyGroups(`more than ${GROUPS_MAX} groups`);
      else this.#groups.set(name, { ids, ...group });
    }
  }

  /** Those of most records first. */
  result(limit: number): Omit<Summary, "indexed_to"> {
    const named = new Map<string, Counted & { of: Of }>();
    for (const { ids, ...counted } of this.#groups.values()) {
      for (const of of this.#named(ids)) {
        const name = JSON.stringify(Object.values(of));
        const known = named.get(name);
        if (known === undefined) named.set(name, { of, ...counted });
        else sum(known, counted);
      }
    }
    const groups = [...named.values()].sort((a, b) => b.records - a.records || b.last_seq - a.last_seq);
    return {
      by: [...this.#by],
      records: this.#records,
      groups: groups.slice(0, limit).map(groupOf),
      more: groups.length > limit,
    };
  }

  /** What ids stand for; several where a field has several values. */
  #named(ids: readonly number[]): Of[] {
    return this.#by.reduce<Of[]>(
      (all, field, i) => {
        const values = this.#values(field, ids[i] ?? NONE);
        return all.flatMap((before) => values.map((value) => ({ ...before, ...value })));
      },
      [{}],
    );
  }

  #values(field: SummaryField, id: number): Of[] {
    switch (field) {
      case "kind":
        return [{ kind: KINDS.get(id) ?? null }];
      case "decision":
        return [{ decision: MARKS[id]?.decision ?? null }];
      case "rule": {
        const rules = this.#index.reasons(id).map(({ code, effect, severity }) => ({ rule: code, effect, severity }));
        // Each once, however often a record has it.
        return [...new Map(rules.map((rule) => [JSON.stringify(rule), rule])).values()];
      }
      default:
        return [{ [field]: this.#index.text(id) }];
    }
  }
}

function codesOf(block: Block, field: SummaryField): Codes {
  if (field === "kind") return { count: KINDS.size + 1, at: (position) => block.kinds[position] ?? NONE, id: same };
  if (field === "decision") return { count: DECISION_BITS + 1, at: (position) => (block.marks[position] ?? 0) & DECISION_BITS, id: same };
  const { ids, codes } = block.column(field === "rule" ? "reasons" : (field satisfies Column));
  return { count: ids.length, at: (position) => codes[position] ?? 0, id: (code) => ids[code] ?? NONE };
}

const same = (code: number): number => code;

/** Of the parts of a key, in the order of the fields. */
function idsOf(fields: readonly Codes[], key: number): number[] {
  const ids: number[] = [];
  let rest = key;
  for (let i = fields.length - 1; i >= 0; i--) {
    const { count, id } = fields[i] as Codes;
    ids[i] = id(rest % count);
    rest = Math.floor(rest / count);
  }
  return ids;
}

function sum(group: Counted, counted: Counted): void {
  group.records += counted.records;
  group.allow += counted.allow;
  group.deny += counted.deny;
  group.flag += counted.flag;
  group.proceed += counted.proceed;
  group.first_ms = Math.min(group.first_ms, counted.first_ms);
  group.last_ms = Math.max(group.last_ms, counted.last_ms);
  group.last_seq = Math.max(group.last_seq, counted.last_seq);
}

function nothing(): Counted {
  return { records: 0, allow: 0, deny: 0, flag: 0, proceed: 0, first_ms: Infinity, last_ms: -Infinity, last_seq: 0 };
}

function groupOf({ of, first_ms, last_ms, ...counts }: Counted & { of: Of }): SummaryGroup {
  return { of, ...counts, first: new Date(first_ms).toISOString(), last: new Date(last_ms).toISOString() };
}
