/** From what a purpose's entries were used for to narrower ones. Nothing that was used is ever proposed to go. */
import { entryWords } from "../bundle/diff.js";
import type { Condition, Entry, Purpose, Scalar, Vocabulary } from "../contract/index.js";
import type { CellUse, FieldUse, Usage } from "./usage.js";
import { cellKey, type PermittedCell, type WrittenEntry } from "./written_purposes.js";

/** Below these, nothing is proposed: too little was seen. */
export interface Floors {
  /** From the purpose's first decision to its last, and since an entry can have been used. */
  days: number;
  decisions: number;
  /**
   * Fewest tasks that used an entry before its values are believed to be all that it needs; actions within one task are alike. At most as
   * many as are told apart.
   */
  tasks: number;
}
export const FLOORS: Readonly<Floors> = { days: 14, decisions: 100, tasks: 30 };

/** One condition more, or one that was and lets through less. */
export interface WhenChange {
  name: string;
  to: readonly Scalar[] | { at_most: number };
}

/** Proposed change of one entry. */
export interface ProposedNarrowing {
  written: WrittenEntry;
  /** Verbs on types that were never used; all of an entry's: it goes. */
  unused: readonly PermittedCell[];
  /** It was only used for what its task is about. */
  about_task: boolean;
  when: readonly WhenChange[];
}

/** Why an entry that looks as if it could be narrower is left as it is. */
export const LEFT = {
  young: "it can't have been used for long enough",
  waits: "it permits nothing by itself: a person is asked",
  guards: "without it, another entry would permit the same unseen",
  masked: "what it was used for is masked in the records",
  few: "it was used in too few tasks to say which values it needs",
} as const;
export type LeftWhy = keyof typeof LEFT;

export interface Left {
  written: WrittenEntry;
  why: LeftWhy;
  cells: readonly PermittedCell[];
}

export interface Proposed {
  narrowings: ProposedNarrowing[];
  left: Left[];
}

export interface ReviewedPurpose {
  purpose: string;
  compiled: Purpose;
  vocabulary: Vocabulary;
  entries: readonly WrittenEntry[];
  usage: Usage;
  /** Milliseconds for which a cell of an entry can have been used; null where nobody knows. */
  age_ms: (entry: WrittenEntry, cell: PermittedCell) => number | null;
  /** True if a rule in Rego may permit by itself. */
  rules_allow: boolean;
}

const DAY_MS = 86_400_000;

/** Returns what was seen too little of, in words; null if enough was seen. */
export function tooLittle({ counts }: Pick<Usage, "counts">, floors: Floors): string | null {
  const { decisions, first, last } = counts;
  if (decisions === 0 || first === null || last === null) return "there is no decision for it in this period";
  const days = (Date.parse(last) - Date.parse(first)) / DAY_MS;
  const lacks = [
    ...(decisions < floors.decisions ? [`${decisions} decisions, and ${floors.decisions} are the least`] : []),
    ...(days < floors.days ? [`${days.toFixed(1)} days from the first to the last, and ${floors.days} are the least`] : []),
  ];
  return lacks.length === 0 ? null : lacks.join("; ");
}

/** @param withheld whose narrowing the policy itself has shown to deny something that was used */
export function propose(seen: ReviewedPurpose, floors: Floors, withheld: ReadonlySet<string> = new Set()): Proposed {
  const narrowings: ProposedNarrowing[] = [];
  const left: Left[] = [];
  for (const written of seen.entries) {
    if (written.cells.some((cell) => withheld.has(withheldKey(seen.purpose, cell)))) continue;
    const uses = seen.usage.of(written);
    const used = uses.filter((use) => use.uses > 0);
    const idle = uses.filter((use) => use.uses === 0);
    const apart = new Map<LeftWhy, PermittedCell[]>();
    const unused = idle.filter((cell) => {
      const why = whyLeft(seen, written, cell, floors);
      if (why !== null) apart.set(why, [...(apart.get(why) ?? []), { verb: cell.verb, type: cell.type }]);
      return why === null;
    });
    const { narrowing, why } = values(seen, written, used, floors);
    if (why !== null)
      apart.set(
        why,
        used.map(({ verb, type }) => ({ verb, type })),
      );
    for (const [reason, cells] of apart) left.push({ written, why: reason, cells });
    const cells = unused.map(({ verb, type }) => ({ verb, type }));
    if (cells.length > 0 || narrowing.about_task || narrowing.when.length > 0) narrowings.push({ written, unused: cells, ...narrowing });
  }
  return { narrowings, left };
}

export function withheldKey(purpose: string, cell: PermittedCell): string {
  return `${purpose} ${cellKey(cell)}`;
}

/** Null: it may go. */
function whyLeft(seen: ReviewedPurpose, written: WrittenEntry, cell: PermittedCell, { days }: Floors): LeftWhy | null {
  const age = seen.age_ms(written, cell);
  if (age !== null && age < days * DAY_MS) return "young";
  if (written.line === "allow") return null;
  if (written.entry.reason.proceed !== true) return "waits";
  const allows = seen.compiled.allow[cell.type]?.[cell.verb] ?? [];
  return seen.rules_allow || allows.some((other) => !areDisjoint(other, written.entry)) ? "guards" : null;
}

/** Returns true if two entries can't apply to the same action, by `about`; `any` overlaps with everything. */
function areDisjoint(a: Entry, b: Entry): boolean {
  return a.about !== "any" && b.about !== "any" && a.about !== b.about;
}

type Values = Pick<ProposedNarrowing, "about_task" | "when">;
const AS_IT_IS: Values = { about_task: false, when: [] };

/** A condition has to hold for every verb and type that an entry names. */
function values(
  seen: ReviewedPurpose,
  { line, entry }: WrittenEntry,
  used: readonly CellUse[],
  floors: Floors,
): { narrowing: Values; why: LeftWhy | null } {
  if (line !== "allow" || used.length === 0) return { narrowing: AS_IT_IS, why: null };
  const about_task = entry.about === "any" && used.every((use) => isAboutTask(use, seen.vocabulary));
  const found = conditions(entry, used);
  if (used.some(({ masked }) => masked > 0)) return { narrowing: AS_IT_IS, why: entry.about === "any" ? "masked" : null };
  const enough = new Set(used.flatMap(({ tasks }) => tasks.all)).size >= floors.tasks;
  if (!enough) return { narrowing: AS_IT_IS, why: about_task || found.length > 0 ? "few" : null };
  return { narrowing: { about_task, when: found }, why: null };
}

function isAboutTask({ relations, uses, type, verb }: CellUse, { types, verbs }: Vocabulary): boolean {
  const links = Object.values(types[type]?.about ?? {});
  // As the builder has it: a collection's resource has no id to say what it is about.
  const sayable = verbs[verb]?.collection === true ? links.some((link) => link !== "id") : links.length > 0;
  return sayable && relations.task === uses;
}

function conditions({ when }: Entry, used: readonly CellUse[]): WhenChange[] {
  const [first, ...others] = used;
  return (first?.fields ?? []).flatMap((field): WhenChange[] => {
    const same = [field, ...others.map(({ fields }) => fields.find(({ name }) => name === field.name))];
    if (!same.every((one): one is FieldUse => one !== undefined && isKnown(one))) return [];
    if (same.some((one) => JSON.stringify(one.type) !== JSON.stringify(field.type))) return [];
    const before = when.filter(({ path, name }) => name === field.name || path.join(".") === field.name);
    const narrower = field.type.kind === "enum" || field.type.kind === "boolean" ? fewer(field, same, before) : lower(same, before);
    return narrower === null ? [] : [{ name: field.name, to: narrower }];
  });
}

/** An unknown would be denied: whatever is proposed has been known each time. */
function isKnown({ unknown, other, values: seen, most }: FieldUse): boolean {
  return unknown === 0 && other === 0 && (seen.size > 0 || Number.isFinite(most));
}

function fewer({ type }: FieldUse, all: readonly FieldUse[], before: readonly Condition[]): Scalar[] | null {
  const seen = new Set(all.flatMap(({ values: found }) => [...found.keys()]));
  const [condition, more] = before;
  if (more !== undefined || (condition !== undefined && condition.op !== "in")) return null;
  const possible: readonly Scalar[] = condition?.op === "in" ? condition.value : type.kind === "enum" ? type.values : [true, false];
  const kept = possible.filter((value) => seen.has(value));
  return kept.length < possible.length && kept.length === seen.size ? kept : null;
}

function lower(all: readonly FieldUse[], before: readonly Condition[]): { at_most: number } | null {
  const most = Math.max(...all.map((field) => field.most));
  const [condition, more] = before;
  if (most <= 0 || more !== undefined || (condition !== undefined && condition.op !== "at_most")) return null;
  const limit = roundedUp(most);
  return condition?.op === "at_most" && condition.value <= limit ? null : { at_most: limit };
}

/** To the next of 1, 2, 5, 10, 20, …: an amount a little larger than any so far is no surprise. */
export function roundedUp(n: number): number {
  const unit = 10 ** Math.floor(Math.log10(n));
  return ([1, 2, 5].find((step) => n <= step * unit) ?? 10) * unit;
}

/** Returns an entry's text for a verb and a type, for comparing before and after. */
export function wordsOf({ line, entry }: WrittenEntry, { verb, type }: PermittedCell): string {
  return entryWords(line, type, verb, entry);
}
