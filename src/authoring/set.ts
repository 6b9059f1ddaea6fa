/**
 * Tests a policy set: tables on the module that ships, `test_` rules on a second module of the same build, and both on OPA's
 * own evaluator too. What the two evaluators see differently is a failure, whatever the author expected.
 */
import { join } from "node:path";
import { COMPILED_ABI, ENTRYPOINT, buildTests, evaluateWithOpa, type TestBuild } from "../bundle/compiled_set.js";
import type { Opa } from "../bundle/opa.js";
import { Sheet, SourceErrors, type SourceNote } from "../bundle/source.js";
import { canonical, type Catalogue, type PolicyData, type PolicyIdentity, type PolicyInput } from "../contract/index.js";
import type { ActivePolicy } from "../decision/ports.js";
import { PolicyInstance } from "../policy/instance.js";
import { runRegoTests } from "./rego_tests.js";
import type { SetReport, TableReport } from "./report.js";
import { runCase, type CaseReport, type Ground } from "./run.js";
import { readTable, type DecisionTable } from "./table.js";

export interface TestOptions {
  /** Runs only the cases and tests whose name contains this, in any case of letters. */
  filter: string | null;
  /** Percent of the rules' lines that unit tests must reach. */
  coverage: number;
}

export interface TestedSet {
  report: SetReport;
  /** Warnings and remarks about the sources. */
  notes: SourceNote[];
}

/** @throws SourceErrors, OpaUnavailable */
export async function testSet(opa: Opa, dir: string, options: TestOptions): Promise<TestedSet> {
  return buildTests(opa, dir, (build, folder) => tested(opa, build, folder, options));
}

/**
 * Tests a set again after each change. A change of tables alone asks the module that is compiled already.
 * @param changed resolves with the files that changed, relative to the set; null: no more is wanted
 * @param built called with each set that compiles, before its tests are run
 */
export async function watchSet(
  opa: Opa,
  dir: string,
  options: TestOptions,
  changed: () => Promise<readonly string[] | null>,
  { tell, built = () => Promise.resolve() }: { tell: (tested: TestedSet | SourceErrors) => void; built?: () => Promise<void> },
): Promise<void> {
  let goes = true;
  while (goes) {
    try {
      goes = await buildTests(opa, dir, async (build, folder) => {
        await built();
        for (;;) {
          let outcome: TestedSet | SourceErrors;
          try {
            outcome = await tested(opa, build, folder, options);
          } catch (cause) {
            if (!(cause instanceof SourceErrors)) throw cause;
            outcome = cause;
          }
          tell(outcome);
          const files = await changed();
          if (files === null) return false;
          if (!files.every((file) => build.set.tables.includes(file))) return true;
        }
      });
    } catch (cause) {
      if (!(cause instanceof SourceErrors)) throw cause;
      tell(cause);
      goes = (await changed()) !== null;
    }
  }
}

async function tested(opa: Opa, build: TestBuild, folder: string, options: TestOptions): Promise<TestedSet> {
  const notes = [...build.set.notes];
  const tables = build.set.tables.map((file) => openTable(build, file, notes));
  const chosen = (name: string): boolean => options.filter === null || name.toLowerCase().includes(options.filter.toLowerCase());
  const [{ rego, coverage }, reports] = await Promise.all([
    runRegoTests(opa, build, folder, chosen),
    runTables(opa, folder, groundOf(unbuilt(build)), tables, chosen),
  ]);
  const touched = new Set(reports.flatMap(({ cases }) => cases.flatMap(({ codes }) => codes)));
  const whole = options.filter === null;
  return {
    report: {
      set: build.set.name,
      rego,
      tables: reports,
      untouched: whole ? Object.keys(build.set.catalogue).filter((code) => !touched.has(code)) : [],
      coverage: whole && coverage !== null ? { ...coverage, wanted: options.coverage } : null,
    },
    notes,
  };
}

/** @throws SourceErrors */
export function openTable(build: Pick<TestBuild, "set">, file: string, notes: SourceNote[]): DecisionTable {
  const { table, notes: own } = readTableFile(build, file);
  notes.push(...own);
  if (own.some(isError)) throw new SourceErrors(own);
  return table;
}

/** Reads every table without asking its cases. @throws SourceErrors with the errors of all */
export function checkTables(build: Pick<TestBuild, "set">): void {
  const errors = build.set.tables.flatMap((file) => readTableFile(build, file).notes.filter(isError));
  if (errors.length > 0) throw new SourceErrors(errors);
}

const isError = ({ severity }: SourceNote): boolean => severity === "error";

function readTableFile({ set }: Pick<TestBuild, "set">, file: string): { table: DecisionTable; notes: SourceNote[] } {
  const sheet = Sheet.open(file, join(set.dir, file));
  return { table: readTable(sheet, set.vocabulary, set.purposes), notes: sheet.notes };
}

/** A compiled policy to ask. It needn't be signed: nothing but an author asks it. */
export function groundOf({ identity, wasm, data, catalogue, abi }: Compiled): Ground {
  const instance = new PolicyInstance({
    wasm,
    dataText: Buffer.from(JSON.stringify(data)),
    metadata: { entrypoint: ENTRYPOINT, abi },
  });
  const policy: ActivePolicy = {
    identity,
    vocabulary: data.vocabulary,
    purposes: new Map(Object.entries(data.purposes)),
    catalogue,
    expires_ms: null,
    evaluate: (input) => instance.evaluate(input),
  };
  return { policy, data, catalogue };
}

export interface Compiled {
  identity: PolicyIdentity;
  wasm: Uint8Array;
  data: PolicyData;
  catalogue: Catalogue;
  abi: string;
}

/** A set that has been compiled and not built into a bundle. */
export function unbuilt({ set, wasm, data }: Pick<TestBuild, "set" | "wasm" | "data">): Compiled {
  const identity = { bundle: set.name, revision: "unbuilt", sequence: 0, digest: "" };
  return { identity, wasm, data, catalogue: set.catalogue, abi: COMPILED_ABI };
}

async function runTables(
  opa: Opa,
  folder: string,
  ground: Ground,
  tables: readonly DecisionTable[],
  chosen: (name: string) => boolean,
): Promise<TableReport[]> {
  const cases: CaseReport[][] = [];
  for (const table of tables) {
    const run: CaseReport[] = [];
    for (const one of table.cases) if (chosen(one.name)) run.push(await runCase(ground, table, one));
    cases.push(run);
  }
  const reached = cases.map((run) => run.filter((one): one is ReachedCase => one.input !== null));
  const differing = await differences(opa, folder, ground.policy, reached.flat());
  return tables.map(({ name, file }, i) => {
    const compared = reached[i] ?? [];
    const names = compared.filter((one) => differing.has(one)).map((one) => one.name);
    return { name, file, cases: cases[i] ?? [], compared: compared.length, differing: names };
  });
}

type ReachedCase = CaseReport & { input: PolicyInput };

/** Cases that OPA's own evaluator answers differently. It is asked once: reading the policy takes it longer than answering. */
async function differences(
  opa: Opa,
  folder: string,
  policy: ActivePolicy,
  cases: readonly ReachedCase[],
): Promise<ReadonlySet<CaseReport>> {
  if (cases.length === 0) return new Set();
  const answers = await evaluateWithOpa(
    opa,
    folder,
    cases.map(({ input }) => input),
  );
  return new Set(
    cases.filter(({ input }, i) => {
      const evaluation = policy.evaluate(JSON.stringify(input));
      return !evaluation.ok || unordered(evaluation.result) !== unordered(answers[i]);
    }),
  );
}

/** Sets come out of the two evaluators in different orders: the order says nothing, so it is taken away. */
export function unordered(result: unknown): string {
  const sort = (value: unknown): unknown => {
    if (Array.isArray(value)) return value.map((one) => canonical(sort(one))).sort();
    if (typeof value !== "object" || value === null) return value;
    return Object.fromEntries(Object.entries(value).map(([key, member]) => [key, sort(member)]));
  };
  return canonical(sort(result ?? null));
}
