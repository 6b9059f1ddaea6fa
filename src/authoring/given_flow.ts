/** Sources of values that a table's case starts from: what was seen on the task and by whom, its labels, and what is used of limits. */
import { NAME_PATTERN, PLAN, WRITERS, stepReference, type ValueWriter, type Vocabulary } from "../contract/index.js";
import { labelsOf } from "../bundle/sources.js";
import type { Path, Sheet } from "../bundle/source.js";
import type { ValueFlow } from "../decision/ports.js";
import { Flow } from "../flow/flow.js";
import { keyOf, rank, type Sighting } from "../flow/seen_memory.js";
import { ReadPlan } from "../flow/task_plan.js";
import { readings, valuesIn } from "../flow/values.js";

/** Values that stood in one place. */
export interface GivenSight {
  by: ValueWriter;
  values: (string | number)[];
  named: boolean;
  alone: boolean;
  secret: boolean;
  /** Step of the task's plan that returned them, or a field of what it returned as `memo.sender`; null: none. */
  step: string | null;
}

export interface GivenFlow {
  seen: GivenSight[];
  labels: string[];
  /** Code of a limit → how much of it is used. */
  used: Record<string, number>;
  /** Step of the task's plan → how often it was made. */
  made: Record<string, number>;
  /** False: not all that was seen is remembered. */
  complete: boolean;
}

export const NOTHING_SEEN: GivenFlow = { seen: [], labels: [], used: {}, made: {}, complete: true };
const FLOW_GIVEN = ["seen", "labels", "used", "made", "complete"] as const;
const SIGHT_KEYS = ["by", "values", "named", "alone", "secret", "step"] as const;
/** Name of another place of the table or of the policy, which is checked once all of it is read. */
export interface FlowReference {
  /** `step` is one of the task's plan, `limit` the code of a limit of the purpose. */
  to: "step" | "limit";
  name: string;
  at: Path;
}

/** Names that references may have; null: unknown. */
export type ReferredNames = Readonly<Record<FlowReference["to"], ReadonlySet<string> | null>>;

const WHAT = { step: "step of the task's plan", limit: "code of a limit of the purpose" };
const CODE = /^[a-z][a-z0-9_.]*$/;
const SIGHTS_MAX = 256;
const STEP_LENGTH_MAX = 256;

/** Reports each reference to a name that doesn't exist. */
export function checkReferences(sheet: Sheet, references: readonly FlowReference[], names: ReferredNames): void {
  for (const { to, name, at } of references) {
    const known = names[to];
    if (known !== null && !known.has(name)) sheet.unknownWord(at, WHAT[to], name, known);
  }
}

/**
 * Reads `flow`, or a part of it as `flow.labels`.
 * @param references gets the names that `seen`, `used` and `made` give
 */
export function readGivenFlow(
  sheet: Sheet,
  vocabulary: Vocabulary,
  given: GivenFlow,
  [name, ...deeper]: string[],
  value: unknown,
  at: Path,
  references: FlowReference[],
): GivenFlow {
  if (name === undefined) {
    const members = Object.entries(sheet.fields(value, at, "`flow`", FLOW_GIVEN));
    return members.reduce(
      (so_far, [one, of]) => readGivenFlow(sheet, vocabulary, so_far, [one], of, [...at, one], references),
      NOTHING_SEEN,
    );
  }
  const counted = name === "used" ? USED : name === "made" ? MADE : null;
  if (counted !== null) {
    const isWhole = deeper.length === 0;
    const more = numbers(sheet, isWhole ? value : { [deeper.join(".")]: value }, at, counted);
    for (const one of Object.keys(more)) references.push({ to: counted.to, name: one, at: isWhole ? [...at, one] : at });
    return { ...given, [name]: isWhole ? more : { ...given[counted.key], ...more } };
  }
  if (deeper.length > 0) {
    sheet.error(at, `\`flow.${name}\` has no parts`);
    return given;
  }
  switch (name) {
    case "seen":
      return { ...given, seen: sights(sheet, value, at, references) };
    case "labels":
      return { ...given, labels: labels(sheet, vocabulary, value, at) };
    case "complete":
      return { ...given, complete: sheet.boolean(value, at, "`complete`") ?? true };
    default:
      sheet.unknownWord(at, "key in `flow`", name, FLOW_GIVEN);
      return given;
  }
}

function labels(sheet: Sheet, vocabulary: Vocabulary, value: unknown, at: Path): string[] {
  const known = labelsOf(vocabulary);
  const found = Array.isArray(value) && value.length === 0 ? [] : sheet.words(value, at, "`labels`");
  for (const label of found) if (!known.includes(label)) sheet.unknownWord(at, "label", label, known);
  return found;
}

/** Word of `flow` that gives names a number. */
interface NumberWord {
  key: "used" | "made";
  to: FlowReference["to"];
  name: RegExp;
  isNumber: (value: number) => boolean;
  expected: string;
  hint: string;
}

const USED: NumberWord = {
  ...{ key: "used", to: "limit", name: CODE, isNumber: (value) => value >= 0 },
  expected: "`used` gives the code of a limit a number from 0",
  hint: "write `used: {too_many_mails: 10}`",
};
const MADE: NumberWord = {
  ...{
    key: "made",
    to: "step",
    name: new RegExp(NAME_PATTERN),
    isNumber: (value) => Number.isInteger(value) && value >= 0 && value <= PLAN.times_max,
  },
  expected: `\`made\` gives a step of the task's plan a number from 0 to ${PLAN.times_max}`,
  hint: "write `made: {answer: 1}`",
};

function numbers(sheet: Sheet, value: unknown, at: Path, { key, name, isNumber, expected, hint }: NumberWord): Record<string, number> {
  return Object.fromEntries(
    sheet.map(value, at, `\`${key}\``).flatMap(([of, amount]): [string, number][] => {
      if (typeof amount === "number" && isNumber(amount) && name.test(of)) return [[of, amount]];
      sheet.error([...at, of], expected, hint);
      return [];
    }),
  );
}

function sights(sheet: Sheet, value: unknown, at: Path, references: FlowReference[]): GivenSight[] {
  if (!Array.isArray(value) || value.length > SIGHTS_MAX) {
    sheet.error(at, `\`seen\` is a list of at most ${SIGHTS_MAX}`, "write [{by: anyone, values: [mallory@evil.example]}]");
    return [];
  }
  return value.flatMap((one: unknown, i): GivenSight[] => {
    const place = [...at, i];
    const said = sheet.fields(one, place, "an entry of `seen`", SIGHT_KEYS);
    const by = sheet.oneOf<ValueWriter>(said["by"], [...place, "by"], "writer", WRITERS);
    const list: unknown[] = Array.isArray(said["values"]) ? said["values"] : [said["values"]];
    const values = list.filter((found): found is string | number => typeof found === "string" || typeof found === "number");
    if (values.length === 0 || values.length !== list.length)
      sheet.error([...place, "values"], "`values` must be a text, a number, or a list of these");
    const flag = (key: "named" | "alone" | "secret"): boolean =>
      said[key] === undefined ? false : (sheet.boolean(said[key], [...place, key], `\`${key}\``) ?? false);
    const step = said["step"] === undefined ? null : sheet.text(said["step"], [...place, "step"], "`step`", STEP_LENGTH_MAX);
    const reference = step === null ? null : stepReference(step);
    if (reference !== null) references.push({ to: "step", name: reference.step, at: [...place, "step"] });
    if (step !== null && reference === null)
      sheet.error(
        [...place, "step"],
        "`step` names a step of the task's plan, or a field of what it returned",
        "write `step: memo.sender`",
      );
    return by === null ? [] : [{ by, values, named: flag("named"), alone: flag("alone"), secret: flag("secret"), step }];
  });
}

/** Returns sources as a service would know them had it seen this. */
export function supposedFlow({ seen, labels: of, used: before, made, complete }: GivenFlow): ValueFlow {
  const valuesOf = (plan: ReadPlan | null): Sighting[] =>
    seen.flatMap(({ by, values: found, step, ...rest }) => {
      const of = step === null ? null : stepReference(step);
      const marks = of === null || plan === null ? 0 : plan.marksAt([of.step], of.field ?? "");
      const isSure = rest.alone || rank(by) <= rank("service");
      return found.flatMap((value) =>
        [...readings(value), ...(typeof value === "string" ? valuesIn(value) : [])].map((one): Sighting => ({
          key: keyOf(one),
          kind: one.kind,
          writer: by,
          path: "given",
          ...rest,
          marks: { all: marks, sure: isSure ? marks : 0 },
        })),
      );
    });
  const others = seen.some(({ by }) => rank(by) > rank("service"));
  return {
    ask: (question) => {
      const flow = new Flow();
      const { root } = question;
      if (root !== null && !complete) flow.forget(root.id);
      else if (root !== null) {
        const values = valuesOf(root.plan === undefined ? null : ReadPlan.of(root.plan));
        flow.suppose({ task: root.id, agent: root.agent, decision_id: "given", labels: of, others, full: false, values });
      }
      if (root !== null) flow.supposeMade(root, made);
      const { facts, note } = flow.ask(question);
      const limits = Object.entries(facts.limits).map(([code, limit]) => [code, { ...limit, used: before[code] ?? limit.used }] as const);
      return { facts: { ...facts, limits: Object.fromEntries(limits) }, note };
    },
    permitted: () => undefined,
    seenIn: () => null,
    notMade: () => undefined,
  };
}
