/** Runs the cases of decision tables and says, for each, what was wanted, what came, and which entry came nearest. */
import {
  BUILTIN_REASONS,
  Problem,
  type Answer,
  type Catalogue,
  type Effect,
  type PolicyData,
  type PolicyInput,
} from "../contract/index.js";
import type { ActivePolicy } from "../decision/ports.js";
import { nearestWord } from "../contract/nearest.js";
import { ask } from "./ask.js";
import { effectOf, triedEntries, type TriedCondition, type Tried } from "../explain/tried_entries.js";
import { situationOf } from "./situation.js";
import type { DecisionTable, TableCase, TableVerdict } from "./table.js";
import { helpedByUnknown, type Helped } from "./unknown.js";

export interface CaseOutcome {
  then: TableVerdict;
  /** Codes of the deciding effect, sorted. */
  because: string[];
}

/** The purpose entry that came nearest to what was wanted, and what kept it from applying. */
export interface Nearest {
  effect: Tried["effect"];
  code: string;
  sources: string[];
  because: TriedCondition[];
}

export interface CaseReport {
  name: string;
  file: string;
  line: number;
  passed: boolean;
  wanted: TableCase["wanted"];
  got: CaseOutcome | null;
  /** Why there is nothing to compare: the request was refused. */
  error: string | null;
  nearest: Nearest | null;
  hint: string | null;
  /** Input of the policy, with which another evaluator can be asked the same; null if the floor refused before. */
  input: PolicyInput | null;
  /** Every code that the answer gave, whatever its effect. */
  codes: string[];
  /** Values that permit more when they are unknown; empty for a case that fails. */
  helped: Helped[];
}

export interface Ground {
  policy: ActivePolicy;
  data: PolicyData;
  catalogue: Catalogue;
}

export async function runCase(ground: Ground, table: DecisionTable, testCase: TableCase): Promise<CaseReport> {
  const { name, line, wanted } = testCase;
  const report: CaseReport = {
    name,
    file: table.file,
    line,
    passed: false,
    wanted,
    got: null,
    error: null,
    nearest: null,
    hint: null,
    input: null,
    codes: [],
    helped: [],
  };
  try {
    const situation = situationOf(table.given, testCase);
    const { answer, input } = await ask(ground.policy, situation);
    const got = outcomeOf(answer);
    const codes = answer.reasons.map(({ code }) => code);
    const passed = got.then === wanted.then && (wanted.because === null || same(got.because, wanted.because));
    if (passed) return { ...report, passed, got, input, codes, helped: await helpedByUnknown(ground.policy, situation, answer) };
    if (wanted.because !== null && same(got.because, wanted.because) && DECIDING[got.then] === DECIDING[wanted.then]) {
      // The flags are those that were wanted, so no entry came nearer.
      const waits = "`proceed: true` goes on, `proceed: false` or something unknown waits";
      return { ...report, got, input, codes, hint: waits };
    }
    return {
      ...report,
      got,
      input,
      codes,
      nearest: nearest(ground, wanted, input),
      hint: hint(ground, wanted.because),
    };
  } catch (error) {
    if (error instanceof Problem) {
      return { ...report, error: `${error.code} at ${error.detail.field ?? "the request"}: ${error.message}` };
    }
    throw error;
  }
}

const DECIDING: Record<TableVerdict, Effect> = {
  allow: "allow",
  "allow and log": "log",
  flag: "flag",
  "flag and wait": "flag",
  deny: "deny",
};

/** An answer in the words of a table. */
export function outcomeOf(answer: Answer): CaseOutcome {
  const logs = answer.reasons.some(({ effect }) => effect === "log");
  const then: TableVerdict =
    answer.decision === "deny"
      ? "deny"
      : answer.decision === "flag"
        ? answer.proceed
          ? "flag"
          : "flag and wait"
        : logs
          ? "allow and log"
          : "allow";
  const codes = answer.reasons.filter(({ effect }) => effect === DECIDING[then]).map(({ code }) => code);
  return { then, because: [...new Set(codes)].sort() };
}

function same(got: string[], wanted: string[]): boolean {
  return JSON.stringify(got) === JSON.stringify([...new Set(wanted)].sort());
}

function nearest({ data, catalogue }: Ground, wanted: CaseReport["wanted"], input: PolicyInput | null): Nearest | null {
  if (input === null) return null;
  const distance = (tried: Tried): number =>
    (wanted.because?.includes(tried.code) === true ? 0 : 100) +
    (effectOf(tried) === DECIDING[wanted.then] ? 0 : 10) +
    tried.conditions.filter(({ holds }) => holds !== "yes").length;
  const missed = triedEntries(data, input).filter(({ applies }) => applies !== "yes");
  const [best] = missed.sort((a, b) => distance(a) - distance(b));
  if (best === undefined) return null;
  const sources = Object.hasOwn(catalogue, best.code) ? (catalogue[best.code]?.sources ?? []) : [];
  return { effect: best.effect, code: best.code, sources, because: best.conditions.filter((c) => c.holds !== "yes") };
}

function hint({ catalogue }: Ground, because: string[] | null): string | null {
  const known = [...Object.keys(catalogue), ...BUILTIN_REASONS.keys()];
  const missing = because?.find((code) => !known.includes(code));
  if (missing === undefined) return null;
  const meant = nearestWord(missing, known);
  return `nothing gives the code \`${missing}\`` + (meant === null ? "" : `; did you mean \`${meant}\`?`);
}
