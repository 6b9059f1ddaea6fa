/** `remit decide`: asks a policy set, a bundle or a running service about one action, and says why. */
import { basename } from "node:path";
import { text as readAll } from "node:stream/consumers";
import { InvalidArgumentError, type Command } from "commander";
import { ask, type PolicyAnswer } from "../../authoring/ask.js";
import { explainInput } from "../../explain/explanation.js";
import { failedLines, type FailedLine } from "../../authoring/failed_lines.js";
import { groundOf, openTable, unbuilt } from "../../authoring/set.js";
import { situationOf, type CaseSituation } from "../../authoring/situation.js";
import type { Ground } from "../../authoring/run.js";
import { buildTests, type TestBuild } from "../../bundle/compiled_set.js";
import { findOpa } from "../../bundle/opa.js";
import { nearestWord } from "../../contract/nearest.js";
import { parseTime, type Answer, type ExplainAnswer, type Explanation } from "../../contract/index.js";
import { scan } from "../../decision/scan.js";
import { fixedFacts } from "../../decision/fixed_ports.js";
import { readFacts } from "../../facts/file.js";
import { systemClock } from "../../system/index.js";
import { readGiven } from "../../system/read_file.js";
import { Client, URL_VARIABLE } from "../client.js";
import { CliError, type Exit } from "../exit.js";
import { sayExplanation } from "./explanation_lines.js";
import { inFolder, readBundle } from "./sources.js";
import { sayJson, type Ui } from "../ui.js";

interface Options {
  set?: string;
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

/** Flags that make up a request without a file. */
const REQUEST_FLAGS = ["agent", "purpose", "task", "verb", "resource", "attribute", "argument"] as const;
const READ_LIMITS = { depth_max: 32, members_max: 256 };
const ANSWER_MS_MAX = 10_000;

/** Facts and a request for the set that `remit init` makes. */
const FACTS = `echo '{agents: {helpdesk-3: {owner: it@example.com, purposes: [it_helpdesk]}},
      tasks: {T-1: {agent: helpdesk-3, purpose: it_helpdesk, subjects: {employee: [ada]}}}}' > facts.yaml`;
const REQUEST = `echo '{"agent": "helpdesk-3", "purpose": "it_helpdesk", "task": "T-1", "verb": "read",
      "resource": {"type": "account", "id": "bob", "attributes": {"owner": "bob"}}}' > request.json`;

const EXAMPLES = `
Examples, in a set that \`remit init\` makes:
  $ remit decide --table a_day_at_the_helpdesk --case "another employee's account" --explain
  $ ${FACTS}
  $ remit decide --facts facts.yaml --agent helpdesk-3 --purpose it_helpdesk --task T-1 --verb read \\
      --resource account/bob --attribute owner=bob
  $ ${REQUEST}
  $ remit decide request.json --facts facts.yaml       # \`--bundle policy.tar.gz\` asks a bundle that was built
  $ REMIT_TOKEN=… remit decide - --url http://127.0.0.1:8181 < request.json

Values of --attribute and --argument are read as JSON where they are JSON, else as text.`;

const EXPLAIN_EXAMPLES = `
Examples, in a set that \`remit init\` makes:
  $ remit explain --table a_day_at_the_helpdesk --case "another employee's account"
  $ ${FACTS}
  $ ${REQUEST}
  $ remit explain request.json --facts facts.yaml
  $ REMIT_TOKEN=… remit explain 0197f0c2-5f0e-7b2a-9d55-3f1f6a3c9e10 --url http://127.0.0.1:8181

Each way to pass was evaluated by the policy itself. A decision on record is explained by the bundle that runs now, to who may read records.`;

/** Adds the options of both commands: the service, and the action. */
function asking(command: Command): Command {
  return command
    .option("--set <folder>", "the policy set to ask (default: this folder)")
    .option("--bundle <file>", "a bundle to ask instead; its signature is `remit verify`'s to check")
    .option("--url <url>", `a running service to ask instead (default: ${URL_VARIABLE}, unless a set, bundle, table or facts are given)`)
    .option("--token <token>", "a caller's token for it (default: REMIT_TOKEN, which others on this machine can't see)")
    .option("--token-file <file>", "a file that holds it (default: REMIT_TOKEN_FILE)")
    .option("--cacert <file>", "certificates to trust instead of the system's (default: REMIT_CACERT)")
    .option("--table <name>", "a table of the set, by its title or file, with --case")
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
    .option("--json", "print JSON");
}

export function addDecide(program: Command, ui: Ui, finish: (exit: Exit) => void): void {
  asking(program.command("decide"))
    .description("ask a set, a bundle or a running service about one action")
    .argument("[request]", "file of a request as `POST /decide` takes it; - for standard input")
    .option("--explain", "show the entries and rules that were tried, and what would let it pass")
    .addHelpText("after", EXAMPLES)
    .action(async (file: string | undefined, options: Options) => {
      finish(sayResult(ui, options, await decideBy(file, options)));
    });
}

export function addExplain(program: Command, ui: Ui, finish: (exit: Exit) => void): void {
  asking(program.command("explain"))
    .description("say why an action is decided as it is, and what would let it pass")
    .argument("[decision]", "id of a decision on record, at a service; or file of a request, - for standard input")
    .addHelpText("after", EXPLAIN_EXAMPLES)
    .action(async (what: string | undefined, options: Options) => {
      if (what !== undefined && DECISION_ID.test(what)) {
        const answer = await recorded(options, what);
        if (options.json === true) sayJson(ui, answer);
        else sayRecorded(ui, answer);
        return;
      }
      finish(sayResult(ui, options, await decideBy(what, { ...options, explain: true })));
    });
}

const DECISION_ID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;

async function recorded(options: Options, id: string): Promise<ExplainAnswer> {
  return await new Client(options).ask<ExplainAnswer>("POST", "/explain", { body: { decision_id: id }, ms: ANSWER_MS_MAX });
}

function sayRecorded(ui: Ui, { decided, refused, explanation, same_policy, masked }: ExplainAnswer): void {
  sayVerdict(ui, decided);
  if (refused !== null) ui.out(`\nthe service refused it: ${refused}`);
  if (!same_policy) ui.out("\nanother bundle runs now than decided: what follows is what it would decide");
  if (masked) ui.out("\nthe record holds digests for masked values: what rests on them may come out differently");
  if (explanation !== null && (!same_policy || masked)) {
    ui.out(ui.paint(VERDICT_STYLE[explanation.decision], explanation.decision) + `  ${explanation.codes.join(", ")}`);
  }
  sayExplanation(ui, explanation);
}

function sayResult(ui: Ui, options: Options, { answer, explanation, failed }: Result): Exit {
  if (options.json === true) sayJson(ui, { answer, ...(explanation !== undefined && explanation !== null && { explanation }) });
  else {
    say(ui, answer);
    if (explanation !== undefined) sayExplanation(ui, explanation, failed);
  }
  return answer.decision === "deny" ? "denied" : answer.proceed ? "ok" : "waiting";
}

interface Result {
  answer: Answer;
  /** Left out where nobody asked; null where the floor refused before any entry was tried. */
  explanation?: Explanation | null;
  /** Lines at which rules failed, by the place of the rule. */
  failed?: Map<string, FailedLine[]>;
}

/** Rejects options that would be ignored, so that nobody takes the answer for one to them. */
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

async function decideBy(file: string | undefined, given: Options): Promise<Result> {
  const local = [given.set, given.bundle, given.table, given.facts, given.now].some((one) => one !== undefined);
  const url = given.url ?? (local ? undefined : process.env[URL_VARIABLE]);
  const options = url === undefined ? given : { ...given, url };
  refuseUnheard(file, options);
  if (options.url !== undefined) {
    const client = new Client(options);
    const body = await requestOf(file, options);
    const answer = await client.ask<Answer>("POST", "/decide", { body, ms: ANSWER_MS_MAX });
    if (options.explain !== true) return { answer };
    return { answer, explanation: (await recorded(options, answer.decision_id)).explanation };
  }
  const explained = async ({ policy, data }: Ground, { facts }: CaseSituation, { answer, input }: PolicyAnswer): Promise<Result> => {
    if (options.explain !== true) return { answer };
    return { answer, explanation: input === null ? null : await explainInput(policy, data, input, (task) => facts.task(task)?.plan) };
  };
  if (options.bundle !== undefined && options.table === undefined) {
    const { identity, wasm, data, catalogue, metadata } = await readBundle(options.bundle);
    const ground = groundOf({ identity, wasm, data, catalogue, abi: metadata.abi });
    const situation = await situationFrom(file, options);
    return await explained(ground, situation, await ask(ground.policy, situation));
  }
  if (options.bundle !== undefined) throw new CliError("usage", "--table is asked of a set, not of a bundle");
  const opa = await findOpa();
  const { set = "." } = options;
  return inFolder(set, () =>
    buildTests(opa, set, async (build, folder) => {
      const ground = groundOf(unbuilt(build));
      const situation = options.table === undefined ? await situationFrom(file, options) : situationIn(build, options.table, options.case);
      const asked = await ask(ground.policy, situation);
      const result = await explained(ground, situation, asked);
      if (asked.input === null || !result.explanation) return result;
      return { ...result, failed: await failedLines(opa, folder, build.set, asked.input) };
    }),
  );
}

/** The situation of a table's case, by names as near as the author has to type them. */
function situationIn(build: TestBuild, tableName: string, caseName: string | undefined): CaseSituation {
  if (caseName === undefined) throw new CliError("usage", "--table needs --case", "it is the case's name");
  const stems = build.set.tables.map((file) => basename(file, ".yaml"));
  const stem = basename(tableName, ".yaml");
  const file = build.set.tables.find((one) => basename(one, ".yaml") === stem);
  const table =
    file === undefined
      ? build.set.tables.map((one) => openTable(build, one, [])).find(({ name }) => name === tableName)
      : openTable(build, file, []);
  if (table === undefined) throw unknown("table", tableName, stems);
  const found = table.cases.find(({ name }) => name === caseName);
  const names = table.cases.map(({ name }) => name);
  if (found === undefined) throw unknown("case", caseName, names);
  return situationOf(table.given, found);
}

function unknown(what: string, name: string, known: string[]): CliError {
  const meant = nearestWord(name, known);
  return new CliError("invalid", `there is no ${what} \`${name}\``, meant === null ? null : `did you mean \`${meant}\`?`);
}

async function situationFrom(file: string | undefined, options: Options): Promise<CaseSituation> {
  if (options.facts === undefined) {
    throw new CliError("usage", "--facts is missing", "who the agent is and what it is on is not the request's to say");
  }
  const { agents, tasks } = readFacts(readGiven(options.facts), options.facts);
  return {
    request: await requestOf(file, options),
    facts: fixedFacts({ agent: (id) => agents.get(id), task: (id) => tasks.get(id) }),
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

function sayVerdict(ui: Ui, { decision, proceed, reasons }: Pick<Answer, "decision" | "proceed" | "reasons">): void {
  const goes = decision === "flag" ? (proceed ? ", proceed" : ", wait") : "";
  ui.out(ui.paint(VERDICT_STYLE[decision], `${decision}${goes}`));
  for (const { effect, code, severity, message } of reasons) {
    ui.out(`  ${effect.padEnd(6)} ${code}  ${ui.paint("dim", severity)}\n         ${message}`);
  }
}

function say(ui: Ui, answer: Answer): void {
  sayVerdict(ui, answer);
  for (const obligation of answer.obligations) ui.out(`  must   ${JSON.stringify(obligation)}`);
  if (answer.wait !== undefined) {
    ui.out(`  waits  for ${answer.wait.for}${answer.wait.needs === undefined ? "" : `: ${answer.wait.needs.join(", ")}`}`);
  }
  if (answer.tell_agent !== undefined) ui.out(`  agent  "${answer.tell_agent}"`);
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
