/** `remit decide`: asks a policy set, a bundle or a running service about one action, and says why. */
import { basename } from "node:path";
import { text as readAll } from "node:stream/consumers";
import { InvalidArgumentError, type Command } from "commander";
import { ask, type Asked } from "../authoring/ask.js";
import { triedEntries, type Tried } from "../authoring/explain.js";
import { show } from "../authoring/report.js";
import { groundOf, openTable, unbuilt } from "../authoring/set.js";
import { situationOf, type Situation } from "../authoring/situation.js";
import type { Ground } from "../authoring/run.js";
import { buildTests, type TestBuild } from "../bundle/build.js";
import { findOpa } from "../bundle/opa.js";
import { nearestWord } from "../contract/nearest.js";
import { parseTime, type Answer } from "../contract/index.js";
import { scan } from "../decision/scan.js";
import { stillFacts } from "../decision/still.js";
import { readFacts } from "../facts/file.js";
import { systemClock } from "../system/index.js";
import { readGiven } from "../system/read_file.js";
import { Client } from "./client.js";
import { CliError, type Exit } from "./exit.js";
import { inFolder, readBundle } from "./sources.js";
import { sayJson, type Ui } from "./ui.js";

interface Options {
  set: string;
  bundle?: string;
  url?: string;
  token?: string;
  tokenFile?: string;
  cacert?: string;
  facts?: string;
  now?: number;
  table?: string;
  case?: string;
  agent?: string;
  purpose?: string;
  task?: string;
  verb?: string;
  resource?: string;
  attribute?: Record<string, unknown>;
  argument?: Record<string, unknown>;
  explain?: true;
  json?: true;
}

/** What makes up a request where no file does. */
const REQUEST_FLAGS = ["agent", "purpose", "task", "verb", "resource", "attribute", "argument"] as const;
const READ_LIMITS = { depth_max: 32, members_max: 256 };
const ANSWER_MS_MAX = 10_000;

const EXAMPLES = `
Examples:
  $ remit decide --table a_day_at_the_desk --case "another customer" --explain
  $ remit decide request.json --bundle support.tar.gz --facts facts.yaml
  $ remit decide --agent support-7 --purpose customer_support --task T-1 --verb read \\
      --resource invoice/I-9 --attribute customer=bob --facts facts.yaml
  $ REMIT_TOKEN=… remit decide - --url http://127.0.0.1:8181 < request.json

Values of --attribute and --argument are read as JSON where they are JSON, else as text.`;

export function addDecide(program: Command, ui: Ui, finish: (exit: Exit) => void): void {
  program
    .command("decide")
    .description("ask a set, a bundle or a running service about one action")
    .argument("[request]", "file of a request as `POST /decide` takes it; - for standard input")
    .option("--set <folder>", "the policy set to ask", ".")
    .option("--bundle <file>", "a bundle to ask instead; its signature is `remit verify`'s to check")
    .option("--url <url>", "a running service to ask instead")
    .option("--token <token>", "a caller's token for it (default: REMIT_TOKEN, which others on this machine can't see)")
    .option("--token-file <file>", "a file that holds it (default: REMIT_TOKEN_FILE)")
    .option("--cacert <file>", "certificates to trust instead of the system's (default: REMIT_CACERT)")
    .option("--table <name>", "a table of the set, with --case")
    .option("--case <name>", "the case to ask about")
    .option("--facts <file>", "agents and tasks, as `remit serve` reads them")
    .option("--now <time>", "the moment to decide at, RFC 3339 (default: now)", time)
    .option("--agent <id>", "who asks; with the next six, instead of a file")
    .option("--purpose <id>", "what for")
    .option("--task <id>", "the piece of work")
    .option("--verb <verb>", "what to do")
    .option("--resource <type/id>", "the type alone for a verb on a collection")
    .option("--attribute <name=value>", "of the resource; may be given again", pair)
    .option("--argument <name=value>", "of the action; may be given again", pair)
    .option("--explain", "show the entries that were tried, and what each condition found")
    .option("--json", "say it as JSON")
    .addHelpText("after", EXAMPLES)
    .action(async (file: string | undefined, options: Options) => {
      const { answer, tried } = await decideBy(file, options, ui);
      if (options.json === true) sayJson(ui, { answer, ...(tried !== null && { tried }) });
      else {
        say(ui, answer);
        if (options.explain === true) sayTried(ui, tried);
      }
      finish(answer.decision === "deny" ? "denied" : answer.proceed ? "ok" : "waiting");
    });
}

interface Result {
  answer: Answer;
  /** Null where nobody asked, or where the floor refused before any entry was tried. */
  tried: Tried[] | null;
}

/** What would go unheard is refused, so that nobody takes the answer for one to it. */
function refuseUnheard(file: string | undefined, options: Options): void {
  const given = (names: readonly (keyof Options)[]): string | undefined => names.find((name) => options[name] !== undefined);
  const beside = file === undefined ? undefined : given(REQUEST_FLAGS);
  if (beside !== undefined) throw new CliError("usage", `the request says it all; leave --${beside} out`);
  const elsewhere = options.url === undefined ? undefined : given(["facts", "now", "table"]);
  if (elsewhere !== undefined) throw new CliError("usage", `--${elsewhere} is not for a service; it has its own`);
  const unasked = options.url === undefined ? given(["token", "tokenFile", "cacert"]) : undefined;
  if (unasked !== undefined) throw new CliError("usage", "a token and --cacert are for a service; name it with --url");
  const untold = options.table === undefined ? undefined : given(["facts", "now", ...REQUEST_FLAGS]);
  if (untold !== undefined) throw new CliError("usage", `the table says it all; leave --${untold} out`);
  if (options.table !== undefined && file !== undefined) throw new CliError("usage", "give a request or a --table");
}

async function decideBy(file: string | undefined, options: Options, ui: Ui): Promise<Result> {
  refuseUnheard(file, options);
  if (options.url !== undefined) {
    if (options.explain === true) throw new CliError("usage", "--explain needs a set or a bundle, not --url");
    const client = new Client(options);
    const body = await requestOf(file, options);
    return { answer: await client.ask<Answer>("POST", "/decide", { body, ms: ANSWER_MS_MAX }), tried: null };
  }
  const explained = ({ data }: Ground, { answer, input }: Asked): Result => ({
    answer,
    tried: options.explain === true && input !== null ? triedEntries(data, input) : null,
  });
  if (options.bundle !== undefined && options.table === undefined) {
    const { identity, wasm, data, catalogue, metadata } = await readBundle(options.bundle);
    const ground = groundOf({ identity, wasm, data, catalogue, abi: metadata.abi });
    return explained(ground, await ask(ground.policy, await situationFrom(file, options)));
  }
  if (options.bundle !== undefined) throw new CliError("usage", "--table is asked of a set, not of a bundle");
  const opa = await findOpa((line) => {
    ui.err(line);
  });
  return inFolder(options.set, () =>
    buildTests(opa, options.set, async (build) => {
      const ground = groundOf(unbuilt(build));
      const situation = options.table === undefined ? await situationFrom(file, options) : situationIn(build, options.table, options.case);
      return explained(ground, await ask(ground.policy, situation));
    }),
  );
}

/** The situation of a table's case, by names as near as the author has to type them. */
function situationIn(build: TestBuild, tableName: string, caseName: string | undefined): Situation {
  if (caseName === undefined) throw new CliError("usage", "--table needs --case", "it is the case's name");
  const stems = build.set.tables.map((file) => basename(file, ".yaml"));
  const stem = basename(tableName, ".yaml");
  const file = build.set.tables.find((one) => basename(one, ".yaml") === stem);
  if (file === undefined) throw unknown("table", tableName, stems);
  const table = openTable(build, file, []);
  const found = table.cases.find(({ name }) => name === caseName);
  const names = table.cases.map(({ name }) => name);
  if (found === undefined) throw unknown("case", caseName, names);
  return situationOf(table.given, found);
}

function unknown(what: string, name: string, known: string[]): CliError {
  const meant = nearestWord(name, known);
  return new CliError("invalid", `there is no ${what} \`${name}\``, meant === null ? null : `did you mean \`${meant}\`?`);
}

async function situationFrom(file: string | undefined, options: Options): Promise<Situation> {
  if (options.facts === undefined) {
    throw new CliError("usage", "--facts is missing", "who the agent is and what it is on is not the request's to say");
  }
  const { agents, tasks } = readFacts(readGiven(options.facts), options.facts);
  return {
    request: await requestOf(file, options),
    facts: stillFacts({ agent: (id) => agents.get(id), task: (id) => tasks.get(id) }),
    now_ms: options.now ?? systemClock.wall(),
  };
}

async function requestOf(file: string | undefined, options: Options): Promise<Record<string, unknown>> {
  if (file !== undefined) {
    const text = file === "-" ? await readAll(process.stdin) : readGiven(file).toString();
    return JSON.parse(scan(Buffer.from(text), READ_LIMITS)) as Record<string, unknown>;
  }
  const { agent, purpose, task, verb, resource = "" } = options;
  const missing = Object.entries({ agent, purpose, verb, resource: options.resource }).find(([, value]) => !value);
  if (missing !== undefined) throw new CliError("usage", `give a request, or --${missing[0]} and the other flags`);
  const slash = resource.indexOf("/");
  return {
    agent,
    purpose,
    ...(task === undefined ? {} : { task }),
    verb,
    resource: {
      type: slash < 0 ? resource : resource.slice(0, slash),
      id: slash < 0 ? null : resource.slice(slash + 1),
      attributes: options.attribute ?? {},
    },
    arguments: options.argument ?? {},
  };
}

const VERDICT_STYLE = { allow: "green", flag: "yellow", deny: "red" } as const;

function say(ui: Ui, answer: Answer): void {
  const goes = answer.decision === "flag" ? (answer.proceed ? ", proceed" : ", wait") : "";
  ui.out(ui.paint(VERDICT_STYLE[answer.decision], `${answer.decision}${goes}`));
  for (const { effect, code, severity, message } of answer.reasons) {
    ui.out(`  ${effect.padEnd(6)} ${code}  ${ui.paint("dim", severity)}\n         ${message}`);
  }
  for (const obligation of answer.obligations) ui.out(`  must   ${JSON.stringify(obligation)}`);
  if (answer.wait !== undefined) {
    ui.out(`  waits  for ${answer.wait.for}${answer.wait.needs === undefined ? "" : `: ${answer.wait.needs.join(", ")}`}`);
  }
  if (answer.tell_agent !== undefined) ui.out(`  agent  "${answer.tell_agent}"`);
}

function sayTried(ui: Ui, tried: Tried[] | null): void {
  if (tried === null) {
    ui.out("\nno entry was tried: this is refused before the policy is asked");
    return;
  }
  ui.out(tried.length === 0 ? "\nno entry names this type and verb" : "\ntried");
  for (const { effect, code, applies, conditions } of tried) {
    ui.out(`  ${effect.padEnd(6)} ${code}  ${applies === "yes" ? "applies" : applies === "no" ? "does not apply" : "unknown"}`);
    for (const { name, wanted, found, holds } of conditions) {
      ui.out(`         ${holds.padEnd(7)} ${name}: wanted ${wanted}, found ${show(found)}`);
    }
  }
}

function time(text: string): number {
  const ms = parseTime(text);
  if (ms === null) throw new InvalidArgumentError("must be an RFC 3339 date-time");
  return ms;
}

function pair(text: string, before: Record<string, unknown> = {}): Record<string, unknown> {
  const equals = text.indexOf("=");
  if (equals < 1) throw new InvalidArgumentError("must be name=value");
  const value = text.slice(equals + 1);
  let read: unknown = value;
  try {
    read = JSON.parse(value);
  } catch {
    // What isn't JSON is the text that it is.
  }
  return { ...before, [text.slice(0, equals)]: read };
}
