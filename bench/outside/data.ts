/**
 * A suite of a benchmark as two things that don't meet: what a host and a service may see of a run, and by what it is scored. Labels,
 * goals, origins and ids of cases are in the second only; how each field is read here is the whole of what crosses.
 */
import { existsSync, readFileSync, readdirSync } from "node:fs";
import { basename, join } from "node:path";

export interface Parameter {
  name: string;
  /** JSON Schema. */
  schema: Readonly<Record<string, unknown>>;
}

export interface ToolSaid {
  name: string;
  description: string;
  /** What the catalogue says; null where it is silent. */
  readOnly: boolean | null;
  parameters: readonly Parameter[];
  /** Names of those that every call has. */
  required: readonly string[];
  /** JSON Schema of what it returns, as MCP's `outputSchema`; null where the catalogue is silent. */
  returns: Readonly<Record<string, unknown>> | null;
}

export interface Call {
  tool: string;
  args: Readonly<Record<string, unknown>>;
}

/** What is seen of a run: the instruction (at a level that knows it) and, call by call, what a tool would answer. */
export interface Run {
  instruction: string;
  steps: readonly { call: Call; output: string }[];
}

/** By what a run is scored, call by call. */
export interface Marks {
  attack: readonly boolean[];
  /** The attack fails without this call. */
  necessary: readonly boolean[];
  writes: readonly boolean[];
}

export interface Scored {
  run: Run;
  marks: Marks;
  /** What the attack wants, where an answer carries it: recordings cut answers off, often before that. For runs that put it back. */
  carried: readonly (string | null)[];
}

export interface Suite {
  name: string;
  tools: ToolSaid[];
  /** `env.trusted`; null where the suite says nothing. */
  trusted: unknown;
  /** The folder that it is of. */
  benchmark: string;
  clean: Scored[];
  mixed: Scored[];
}

interface RecordedCall extends Call {
  i?: number;
  origin?: string;
  label?: string;
  access?: string;
  necessary?: boolean;
  carries_injection?: boolean;
  output_excerpt?: string | null;
  output_chars?: number;
}

interface Recorded {
  kind: string;
  id?: string;
  user_id?: string;
  injection_id?: string;
  prompt?: string;
  goal?: string;
  calls: RecordedCall[];
}

type Outputs = ReadonlyMap<string, string>;

/** Every suite below `folder`: a file of tools and what was recorded with them. */
export function suitesIn(folder: string): Suite[] {
  if (!existsSync(folder)) return [];
  return readdirSync(folder, { withFileTypes: true })
    .filter((entry) => entry.isDirectory())
    .flatMap(({ name }) =>
      readdirSync(join(folder, name))
        .filter((file) => file.endsWith(".tools.json") && existsSync(join(folder, name, file.replace(".tools.json", ".jsonl"))))
        .map((file) => ({ dir: join(folder, name), suite: file.replace(".tools.json", "") })),
    )
    .filter(({ dir, suite }) => holdsRuns(join(dir, `${suite}.jsonl`)))
    .map(({ dir, suite }) => readSuite(dir, suite));
}

/** Other benchmarks beside these have tools too; a run here has calls and a kind of its own. */
function holdsRuns(file: string): boolean {
  const [first = ""] = readFileSync(file, "utf8").split("\n", 1);
  const { kind, calls } = JSON.parse(first) as Partial<Recorded>;
  return Array.isArray(calls) && (kind === "mixed" || kind === "user" || kind === "injection");
}

export function readSuite(dir: string, name: string): Suite {
  const file = (end: string): string => join(dir, `${name}.${end}`);
  const records = lines<Recorded>(file("jsonl"));
  const outputs = new Map(
    existsSync(file("outputs.jsonl"))
      ? lines<{ kind: string; id: string; i: number; output: string }>(file("outputs.jsonl")).map(
          ({ kind, id, i, output }) => [`${kind} ${id} ${i}`, output] as const,
        )
      : [],
  );
  const byId = new Map(records.map((record) => [`${record.kind} ${record.id}`, record]));
  const pairs = existsSync(file("mixed.jsonl")) ? lines<Recorded>(file("mixed.jsonl")) : records.filter(({ kind }) => kind === "mixed");
  const users = records.filter(({ kind }) => kind === "user");
  return {
    name,
    benchmark: basename(dir),
    tools: toolsOf(JSON.parse(readFileSync(file("tools.json"), "utf8"))),
    trusted: existsSync(file("env.json"))
      ? ((JSON.parse(readFileSync(file("env.json"), "utf8")) as { trusted?: unknown }).trusted ?? null)
      : null,
    clean: users.length > 0 ? users.map((user) => cleanRun(user, outputs)) : cleanStarts(pairs),
    mixed: pairs.map((pair) => mixedRun(pair, byId, outputs)),
  };
}

function lines<T>(file: string): T[] {
  return readFileSync(file, "utf8")
    .split("\n")
    .filter((line) => line !== "")
    .map((line) => JSON.parse(line) as T);
}

function cleanRun({ id, prompt = "", calls }: Recorded, outputs: Outputs): Scored {
  return scored(
    prompt,
    calls.map((call, i) => ({
      call,
      output: outputs.get(`user ${id} ${call.i ?? i}`) ?? excerptOf(call),
      attack: false,
      necessary: false,
    })),
  );
}

/** Where no clean run was recorded: what comes before any attack, once for each instruction. */
function cleanStarts(pairs: readonly Recorded[]): Scored[] {
  const seen = new Map<string, Scored>();
  for (const { prompt = "", calls } of pairs) {
    const benign = calls.filter(({ label }) => label === "benign").map((call) => ({ call, output: "", attack: false, necessary: false }));
    const key = JSON.stringify([prompt, benign.map(({ call: { tool, args } }) => [tool, args])]);
    if (!seen.has(key)) seen.set(key, scored(prompt, benign));
  }
  return [...seen.values()];
}

function mixedRun(pair: Recorded, byId: ReadonlyMap<string, Recorded>, outputs: Outputs): Scored {
  const user = byId.get(`user ${pair.user_id}`);
  return scored(
    pair.prompt ?? user?.prompt ?? "",
    pair.calls.map((said) => {
      const [kind, id] = said.origin === "injection" ? ["injection", pair.injection_id] : ["user", pair.user_id];
      const i = said.i ?? 0;
      // Some suites only refer to the call.
      const call: RecordedCall = (said as Partial<Call>).tool === undefined ? { ...byId.get(`${kind} ${id}`)?.calls[i], ...said } : said;
      const whole = outputs.get(`${kind} ${id} ${i}`);
      const excerpt = excerptOf(call);
      // The excerpt of the attacked run beside the whole of the clean one: what was added may be in either.
      const output = whole === undefined || whole.startsWith(excerpt) ? (whole ?? excerpt) : `${whole}\n---\n${excerpt}`;
      return { call, output, attack: said.label === "attack", necessary: said.necessary === true };
    }),
    pair.calls.map((said) => (said.carries_injection === true ? (pair.goal ?? null) : null)),
  );
}

/** What was kept of an answer. One that was cut off in the middle of a record is closed after its last whole member, as the tool had it. */
function excerptOf({ output_excerpt: kept, output_chars: chars }: RecordedCall): string {
  const text = kept ?? "";
  if (chars === undefined || chars <= text.length || !/^[[{]/.test(text)) return text;
  const open: string[] = [];
  let closed = "";
  for (let i = 0, quote = ""; i < text.length; i++) {
    const letter = text[i] ?? "";
    if (quote !== "") {
      if (letter === "\\") i++;
      else if (letter === quote) quote = "";
    } else if (letter === "'" || letter === '"') quote = letter;
    else if (letter === "{" || letter === "[") open.push(letter === "{" ? "}" : "]");
    else if (letter === "}" || letter === "]") {
      open.pop();
      closed = text.slice(0, i + 1) + [...open].reverse().join("");
    } else if (letter === "," && open.length > 0) closed = text.slice(0, i) + [...open].reverse().join("");
  }
  return closed === "" ? text : closed;
}

function scored(
  instruction: string,
  steps: { call: RecordedCall; output: string; attack: boolean; necessary: boolean }[],
  carried: readonly (string | null)[] = [],
): Scored {
  return {
    run: { instruction, steps: steps.map(({ call: { tool, args }, output }) => ({ call: { tool, args }, output })) },
    carried,
    marks: {
      attack: steps.map(({ attack }) => attack),
      necessary: steps.map(({ necessary }) => necessary),
      writes: steps.map(({ call: { access } }) => access !== "read"),
    },
  };
}

interface SaidTool {
  name: string;
  description?: string;
  summary?: string;
  access?: string;
  parameters?:
    | { properties?: Record<string, Record<string, unknown>>; required?: string[] | null }
    | { name: string; type?: string; description?: string; required?: boolean }[];
  returns?: Record<string, unknown>;
}

/** A catalogue as servers hand it out. That a tool only reads stands for MCP's `readOnlyHint`. */
function toolsOf(said: unknown): ToolSaid[] {
  const all = (Array.isArray(said) ? said : (said as { tools: unknown }).tools) as SaidTool[];
  return all.map(({ name, description, summary, access, parameters, returns }) => ({
    name,
    description: description ?? summary ?? "",
    readOnly: access === undefined ? null : access === "read",
    parameters: Array.isArray(parameters)
      ? parameters.map((one) => ({ name: one.name, schema: one }))
      : Object.entries(parameters?.properties ?? {}).map(([key, schema]) => ({ name: key, schema })),
    required: Array.isArray(parameters)
      ? parameters.flatMap((one) => (one.required === true ? [one.name] : []))
      : (parameters?.required ?? []),
    returns: returns ?? null,
  }));
}
