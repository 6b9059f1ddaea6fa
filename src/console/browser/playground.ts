/** The playground's worker: what `remit test` and `remit decide --explain` run, over files in memory. It asks nobody and signs nothing. */
import { ask } from "../../authoring/ask.js";
import { runCase, type CaseReport, type Ground } from "../../authoring/run.js";
import { groundOf, openTable, testSet, unbuilt } from "../../authoring/set.js";
import { situationOf } from "../../authoring/situation.js";
import type { DecisionTable, TableCase } from "../../authoring/table.js";
import { buildTables } from "../../bundle/compiled_set.js";
import { OpaUnavailable, type Opa } from "../../bundle/opa.js";
import { SourceErrors, type SourceNote } from "../../bundle/source.js";
import { Problem, type TaskPlan } from "../../contract/index.js";
import { explainInput } from "../../explain/explanation.js";
import { systemClock } from "../../system/index.js";
import { readArchive } from "./host/archive.js";
import { removeBelow, writeText } from "./host/files.js";
import { startOpa } from "./host/opa_process.js";
import { PACKAGE_ROOT } from "./host/places.js";
import { loadValues } from "./host/values.js";
import type { CaseExplanation, FromWorker, Library, RunResult, SetFiles, ShownCase, TestResult, ToWorker } from "./playground_messages.js";

const SETS = "/sets";
/** Percent of the rules' lines that unit tests must reach, as `remit test` wants by default. */
const COVERAGE = 80;
const SOURCES = /^(?:vocabulary\.yaml|purposes\.yaml|[^/]+\.rego|tables\/[^/]+\.yaml)$/;

interface WorkerScope {
  onmessage: ((event: { data: ToWorker }) => void) | null;
  postMessage(message: FromWorker): void;
}

const scope = globalThis as unknown as WorkerScope;
const streaming = WebAssembly as unknown as { compileStreaming(response: Response): Promise<WebAssembly.Module> };
let opa: Opa = { path: null, version: "" };
let dir = SETS;
let ground: Ground | null = null;
let tables: DecisionTable[] = [];
let last: Promise<unknown> = Promise.resolve();

scope.onmessage = ({ data }) => {
  last = last
    .then(() => answerTo(data))
    .then(
      (answer) => {
        scope.postMessage(answer);
      },
      (cause: unknown) => {
        scope.postMessage({ kind: "broken", message: cause instanceof Error ? cause.message : String(cause) });
      },
    );
};

async function answerTo(message: ToWorker): Promise<FromWorker> {
  const began = systemClock.monotonic();
  const took = (): number => Math.round(systemClock.monotonic() - began);
  switch (message.kind) {
    case "load": {
      const [library, module] = await Promise.all([fetched(message.library), compiled(message.opa), loadValues()]);
      const { opa: version, assets, sets } = (await library.json()) as Library;
      for (const [path, text] of Object.entries(assets)) writeText(`${PACKAGE_ROOT}/${path}`, text);
      opa = { path: null, version };
      startOpa(module);
      return { kind: "loaded", sets, opa: version, ms: took() };
    }
    case "run":
      return { kind: "ran", turn: message.turn, ...(await run(message.name, message.files)), ms: took() };
    case "explain":
      return { kind: "explained", turn: message.turn, ...(await explain(message.file, message.line)) };
    case "test":
      return { kind: "tested", turn: message.turn, ...(await test()), ms: took() };
    case "open":
      return { kind: "opened", turn: message.turn, files: await sourcesIn(new Uint8Array(message.archive)) };
  }
}

async function fetched(url: string): Promise<Response> {
  const response = await fetch(url);
  if (!response.ok) throw new Error(`cannot load ${url}: ${response.status}`);
  return response;
}

/** A server that can say `content-encoding` does; files of a static site say by their name that they are compressed. */
async function compiled(url: string): Promise<WebAssembly.Module> {
  const response = await fetched(url);
  const headers = { "content-type": "application/wasm" };
  const body = url.endsWith(".gz") ? response.body?.pipeThrough(new DecompressionStream("gzip")) : response.body;
  return await streaming.compileStreaming(new Response(body, { headers }));
}

async function run(name: string, files: SetFiles): Promise<Omit<RunResult, "ms">> {
  removeBelow(SETS);
  dir = `${SETS}/${name}`;
  for (const [path, text] of Object.entries(files)) writeText(`${dir}/${path}`, text);
  ground = null;
  tables = [];
  return await noted<Pick<RunResult, "cases">>(
    async (notes) => {
      const build = await buildTables(opa, dir);
      notes.push(...build.set.notes);
      ground = groundOf(unbuilt(build));
      const cases: ShownCase[] = [];
      for (const file of build.set.tables) {
        const table = openTable(build, file, notes);
        tables.push(table);
        for (const one of table.cases) cases.push(shown(await runCase(ground, table, one)));
      }
      return { cases };
    },
    { cases: null },
  );
}

function shown({ name, file, line, passed, wanted, got, error, hint, nearest }: CaseReport): ShownCase {
  return { name, file, line, passed, wanted: wanted.then, got, error, hint, nearest };
}

async function explain(file: string, line: number): Promise<CaseExplanation> {
  const nothing = { answer: null, input: null, explanation: null };
  const [table, found] = caseAt(file, line);
  if (ground === null || table === undefined || found === undefined) return { ...nothing, error: "the case is no longer there" };
  try {
    const situation = situationOf(table.given, found);
    const { answer, input } = await ask(ground.policy, situation);
    const planOf = (task: string): TaskPlan | undefined => situation.facts.task(task)?.plan;
    return {
      answer,
      input,
      explanation: input === null ? null : await explainInput(ground.policy, ground.data, input, planOf),
      error: null,
    };
  } catch (cause) {
    if (!(cause instanceof Problem)) throw cause;
    return { ...nothing, error: `${cause.code} at ${cause.detail.field ?? "the request"}: ${cause.message}` };
  }
}

function caseAt(file: string, line: number): [DecisionTable | undefined, TableCase | undefined] {
  const table = tables.find((one) => one.file === file);
  return [table, table?.cases.find((one) => one.line === line)];
}

async function test(): Promise<Omit<TestResult, "ms">> {
  return await noted<Pick<TestResult, "report">>(
    async (notes) => {
      const { report, notes: own } = await testSet(opa, dir, { filter: null, coverage: COVERAGE });
      notes.push(...own);
      return { report };
    },
    { report: null },
  );
}

/** Mistakes of an author are an answer like any other. */
async function noted<T extends object>(
  work: (notes: SourceNote[]) => Promise<T>,
  otherwise: NoInfer<T>,
): Promise<T & { notes: SourceNote[] }> {
  const notes: SourceNote[] = [];
  try {
    return { ...(await work(notes)), notes };
  } catch (cause) {
    if (cause instanceof SourceErrors) return { ...otherwise, notes: cause.notes };
    if (!(cause instanceof OpaUnavailable)) throw cause;
    return { ...otherwise, notes: [{ severity: "error", file: "*", line: null, message: cause.message, hint: null }] };
  }
}

/** Returns the sources that a bundle carries; null if it carries none. */
async function sourcesIn(archive: Uint8Array): Promise<SetFiles | null> {
  const files: SetFiles = {};
  for (const [path, content] of await readArchive(archive)) {
    const own = path.replace(/^rules\//, "");
    if (SOURCES.test(own)) files[own] = content.toString("utf8");
  }
  return Object.keys(files).length === 0 ? null : files;
}
