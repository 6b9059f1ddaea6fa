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

type Of = Record<string, string | null>;

/** What a field says of a position, as a small number of the block's own, and what that number stands for. */
interface Codes {
  count: number;
  at: (position: number) => number;
  of: (code: number) => Of[];
}

export class Counting {
  readonly #index: RecordIndex;
  readonly #by: readonly SummaryField[];
  readonly #groups = new Map<string, Counted & { of: Of }>();
  #records = 0;

  constructor(index: RecordIndex, by: readonly SummaryField[]) {
    this.#index = index;
    this.#by = by;
  }

  /** @throws TooManyGroups */
  add(block: Block, positions: readonly number[]): void {
    const fields = this.#by.map((field) => this.#codes(block, field));
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
    for (const [key, group] of counted) for (const of of ofKey(fields, key)) this.#merge(of, group);
  }

  /** Those of most records first. */
  result(limit: number): Omit<Summary, "indexed_to"> {
    const groups = [...this.#groups.values()].sort((a, b) => b.records - a.records || b.last_seq - a.last_seq);
    return {
      by: [...this.#by],
      records: this.#records,
      groups: groups.slice(0, limit).map(groupOf),
      more: groups.length > limit,
    };
  }

  #merge(of: Of, counted: Counted): void {
    const key = JSON.stringify(Object.values(of));
    const group = this.#groups.get(key);
    if (group === undefined) {
      if (this.#groups.size >= GROUPS_MAX) throw new TooManyGroups(`more than ${GROUPS_MAX} groups`);
      this.#groups.set(key, { of, ...counted });
      return;
    }
    for (const name of ["records", "allow", "deny", "flag", "proceed"] as const) group[name] += counted[name];
    group.first_ms = Math.min(group.first_ms, counted.first_ms);
    group.last_ms = Math.max(group.last_ms, counted.last_ms);
    group.last_seq = Math.max(group.last_seq, counted.last_seq);
  }

  #codes(block: Block, field: SummaryField): Codes {
    if (field === "kind") {
      const of = (code: number): Of[] => [{ kind: KINDS.get(code) ?? null }];
      return { count: KINDS.size + 1, at: (position) => block.kinds[position] ?? NONE, of };
    }
    if (field === "decision") {
      const of = (code: number): Of[] => [{ decision: MARKS[code]?.decision ?? null }];
      return { count: DECISION_BITS + 1, at: (position) => (block.marks[position] ?? 0) & DECISION_BITS, of };
    }
    const { ids, codes } = block.column(field === "rule" ? "reasons" : (field satisfies Column));
    const of = (code: number): Of[] => {
      const term = ids[code] ?? NONE;
      return field === "rule" ? this.#rules(term) : [{ [field]: this.#index.text(term) }];
    };
    return { count: ids.length, at: (position) => codes[position] ?? 0, of };
  }

  /** Each once, however often a record has it. */
  #rules(set: number): Of[] {
    const rules = this.#index.reasons(set).map(({ code, effect, severity }) => ({ rule: code, effect, severity }));
    return [...new Map(rules.map((rule) => [JSON.stringify(rule), rule])).values()];
  }
}

const DECISION_BITS = 0b11;

/** What the parts of a key stand for, in the order of the fields; several where a field has several values. */
function ofKey(fields: readonly Codes[], key: number): Of[] {
  let rest = key;
  const parts: Of[][] = [];
  for (const { count, of } of [...fields].reverse()) {
    parts.unshift(of(rest % count));
    rest = Math.floor(rest / count);
  }
  return parts.reduce<Of[]>((all, part) => all.flatMap((before) => part.map((one) => ({ ...before, ...one }))), [{}]);
}

function nothing(): Counted {
  return { records: 0, allow: 0, deny: 0, flag: 0, proceed: 0, first_ms: Infinity, last_ms: -Infinity, last_seq: 0 };
}

function groupOf({ of, first_ms, last_ms, ...counts }: Counted & { of: Of }): SummaryGroup {
  return { of, ...counts, first: new Date(first_ms).toISOString(), last: new Date(last_ms).toISOString() };
}
