/** `remit guard mcp`: stands between an MCP client and an MCP server, drafts a first policy for a server, pins what it has. */
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { mkdir, readdir } from "node:fs/promises";
import { once } from "node:events";
import { join } from "node:path";
import type { Command } from "commander";
import { parseGuardConfig, readGuardConfig, type GuardConfig } from "../../guards/mcp/config.js";
import { draft } from "../../guards/mcp/draft.js";
import { startGuard } from "../../guards/mcp/guard.js";
import { asking, type Remit } from "../../guards/mcp/remit.js";
import {
  LockError,
  alikeIn,
  differences,
  lockFile,
  pinnedOf,
  readPins,
  writePins,
  type ToolDefinition,
  type Pins,
} from "../../guards/mcp/pins.js";
import { reportGuard } from "../../guards/mcp/log_events.js";
import { openLogin } from "../../guards/mcp/oauth/server_login.js";
import { possibleBy } from "../../guards/mcp/possible.js";
import { checkServerValues } from "../../guards/mcp/server_values.js";
import { SurveyFailed, survey, surveyEither } from "../../guards/mcp/survey.js";
import { flow } from "../../guards/mcp/yaml_text.js";
import { system } from "../../system/index.js";
import { logger, type Logger } from "../../system/logger.js";
import { CliError, type Exit } from "../exit.js";
import { checkMapping, sayCheck } from "./guard_check.js";
import { addLogin } from "./guard_login.js";
import { addPlan } from "./guard_plan.js";
import { areIgnored, readBundle } from "../policy/sources.js";
import { sayJson, type Ui } from "../ui.js";

const TOKEN_VARIABLE = "REMIT_TOKEN";
const TASK_VARIABLE = "REMIT_TASK";
const TOKEN_HINT =
  "put the guard's token there, with the scopes remit:decide and remit:register; for `remit dev`, `remit token` prints one";

const BUNDLE_HINT = "a start reads `bundle` of the configuration";

interface Options {
  config: string;
  task?: string;
  check?: true;
  bundle?: string;
  approve?: true;
  draft?: string;
  server?: string;
  json?: true;
}

const EXAMPLES = `
Examples:
  $ remit guard mcp --draft crm -- node crm-server.js      # what to start from: crm/vocabulary.yaml, purposes.yaml, guard.yaml
  $ remit guard mcp --config crm/guard.yaml --approve      # pin the tools as they are now: crm/guard.lock.json
  $ remit guard mcp --config crm/guard.yaml --check --bundle crm.tar.gz   # does every tool's mapping fit the policy?
  $ remit guard mcp --config crm/guard.yaml                # what an MCP client is given as its server's command
  $ remit guard mcp --config crm/guard.yaml --task T-1     # the host's own task, instead of one a session
  $ remit guard mcp login crm/guard.yaml                   # sign in at a server with \`oauth\`

docs/mcp.md says what is decided, what is refused, and why.`;

export function addGuard(program: Command, ui: Ui, finish: (exit: Exit) => void): void {
  const mcp = program
    .command("guard")
    .description("stand in front of what agents call, and ask before anything is done")
    .command("mcp")
    .description("an MCP server to clients, and a client to the server behind it: every call is decided first")
    .argument("[command...]", "with --draft: the server's program and arguments, behind --")
    .option("--config <file>", "what each tool means, and whom to ask", "guard.yaml")
    .option("--task <id>", `the task that calls are decided on (default: ${TASK_VARIABLE}, else one is made for each session)`)
    .option("--check", "read everything a start would read, compare the mapping with the bundle and the approved tools, and start nothing")
    .option(
      "--bundle <file>",
      "with --check: bundle of the policy whose words the mapping has to have (default: the configuration's `bundle`)",
    )
    .option("--approve", "pin the tools that the server has now, as they are now")
    .option("--draft <folder>", "draft a vocabulary, purposes and a configuration from the server's tools")
    .option("--server <url>", "with --draft: the server's endpoint, instead of a command")
    .option("--json", "with --approve, --draft and --check: print JSON")
    .addHelpText("after", EXAMPLES)
    .action(async (command: string[], options: Options) => {
      const modes = (["check", "approve", "draft"] as const).filter((mode) => options[mode] !== undefined);
      if (modes.length > 1) throw new CliError("usage", `--${modes.join(" and --")} are two things; give one`);
      if (options.draft !== undefined) return drafted(command, options.draft, options, ui);
      if (command.length > 0 || options.server !== undefined)
        throw new CliError("usage", "the server is what the configuration says", "a command and --server are for --draft");
      const config = configOf(options.config);
      if (options.approve === true) return approved(config, options, ui);
      if (options.bundle !== undefined && options.check !== true) throw new CliError("usage", "--bundle is for --check", BUNDLE_HINT);
      const exit = await run(config, options, ui);
      if (exit !== null) finish(exit);
    });
  addLogin(mcp, configOf, ui);
  addPlan(mcp, { config: configOf, pins: pinsOf }, ui, finish);
}

function configOf(file: string): GuardConfig {
  if (existsSync(file)) return readGuardConfig(file);
  throw new CliError("invalid", `\`${file}\` does not exist`, "--config names it; `remit guard mcp --draft` drafts one");
}

async function run(config: GuardConfig, options: Options, ui: Ui): Promise<Exit | null> {
  const file = lockFile(options.config);
  const pins = pinsOf(file);
  const unpinned = [...config.tools.keys()].filter((name) => !pins.tools.has(name));
  const checked = { file: options.config, config, pins, bundle: options.bundle ?? config.bundle ?? null };
  const faults = options.check === true ? await checkMapping(checked) : [];
  // Faults of the mapping are told without a token, too.
  if (faults.some(({ severity }) => severity === "error")) return sayCheck(checked, faults, options.json === true, ui);
  const possible = config.bundle === undefined ? null : possibleBy((await readBundle(config.bundle)).data, config.purpose);
  const token = tokenOf(config);
  checkServerValues(config.server);
  openLogin(config.server, system)?.check();
  const decider = await deciderOf(config, token);
  if (options.check === true) {
    token();
    return sayCheck(checked, faults, options.json === true, ui);
  }
  const log = logger(system.clock);
  if (unpinned.length > 0) reportGuard(log, "tools_unapproved", { tools: unpinned, hint: "remit guard mcp --approve" });
  const task = options.task ?? process.env[TASK_VARIABLE] ?? null;
  const remit = await decider(log);
  const guard = await startGuard({ config, pins, remit, task, ...(possible !== null && { possible }), system, log }).catch(
    async (cause: unknown) => {
      await remit.close();
      throw cause;
    },
  );
  if (guard.url !== null) reportGuard(log, "guard_listening", { url: guard.url });
  await Promise.race([guard.over, once(process, "SIGTERM"), once(process, "SIGINT")]);
  await guard.close();
  return null;
}

function pinsOf(file: string): Pins {
  try {
    return readPins(file);
  } catch (cause) {
    if (cause instanceof LockError) throw new CliError("invalid", cause.message, null, { cause });
    throw cause;
  }
}

/** Reads the token again each time: the file may hold another by now. */
function tokenOf({ remit: { token_file } }: GuardConfig): () => string {
  return () => {
    if (token_file !== undefined && !existsSync(token_file))
      throw new CliError("invalid", `\`${token_file}\`, which \`remit.token_file\` names, does not exist`, TOKEN_HINT);
    const text = (token_file === undefined ? process.env[TOKEN_VARIABLE] : readFileSync(token_file, "utf8"))?.trim();
    if (text === undefined || text === "")
      throw new CliError("usage", "there is no token", `set ${TOKEN_VARIABLE}, or name a file in \`remit.token_file\``);
    return text;
  };
}

/** Returns what opens the decider; files that the configuration names are read at once. */
async function deciderOf({ remit: { url, in_process } }: GuardConfig, token: () => string): Promise<(log: Logger) => Promise<Remit>> {
  if (in_process === undefined) return () => Promise.resolve(asking(url, token));
  // Only who decides needs what decides.
  const { engineOptions, inProcess } = await import("./guard_in_process.js");
  const options = engineOptions(in_process, { url, token });
  return (log) => inProcess(options, asking(url, token), { system, log });
}

async function reached<T>(surveying: Promise<T>): Promise<T> {
  try {
    return await surveying;
  } catch (cause) {
    if (!(cause instanceof SurveyFailed)) throw cause;
    throw new CliError("unavailable", cause.message, "does the server start by itself? what it says is on standard error", { cause });
  }
}

async function approved(config: GuardConfig, options: Options, ui: Ui): Promise<void> {
  const file = lockFile(options.config);
  const before = pinsOf(file);
  const { tools, instructions } = await reached(survey(config, system));
  const pinned: ToolDefinition[] = [];
  for (const tool of tools) {
    const definition = pinnedOf(tool);
    if (definition !== null && config.tools.has(definition.name)) pinned.push(definition);
  }
  const names = pinned.map(({ name }) => name);
  const twice = names.find((name, i) => names.indexOf(name) !== i);
  if (twice !== undefined)
    throw new CliError("conflict", `the server has \`${twice}\` twice`, "nobody can tell which of them a call is for; nothing was pinned");
  const alike = alikeIn(tools.flatMap((tool) => pinnedOf(tool)?.name ?? []).filter((name, i, all) => all.indexOf(name) === i));
  if (alike !== null) ui.err(`${ui.paint("yellow", "warning:")} the server's \`${alike[0]}\` and \`${alike[1]}\` look alike`);
  const found = {
    added: pinned.filter(({ name }) => !before.tools.has(name)).map(({ name }) => name),
    changed: pinned.flatMap((tool) => {
      const members = differences(before.tools.get(tool.name) ?? tool, tool);
      return members.length === 0 ? [] : [{ tool: tool.name, members }];
    }),
    removed: [...before.tools.keys()].filter((name) => !names.includes(name)),
    instructions: instructions !== before.instructions,
  };
  writePins(file, { instructions, tools: new Map(pinned.map((tool) => [tool.name, tool])) });
  const missing = [...config.tools.keys()].filter((name) => !names.includes(name));
  if (options.json === true) {
    sayJson(ui, { ok: true, file, ...found, missing });
    return;
  }
  for (const name of found.added) ui.out(`${ui.paint("green", "added")}    ${name}`);
  for (const { tool, members } of found.changed) ui.out(`${ui.paint("yellow", "changed")}  ${tool}: ${members.join(", ")}`);
  for (const name of found.removed) ui.out(`${ui.paint("red", "removed")}  ${name}`);
  if (found.instructions) ui.out(`${ui.paint("yellow", "changed")}  what the server tells models about itself`);
  for (const name of missing) ui.err(`${ui.paint("yellow", "warning:")} the server has no \`${name}\`, which the configuration maps`);
  ui.err(`${ui.paint("cyan", "hint:")} ${names.length} tools are pinned in ${file}; it is made to be read in a review`);
}

const IGNORING = ".gitignore";
/** Files that a guard's folder comes to have and no repository should: its token, a private key, `remit dev`'s and an engine's. */
const SECRET_OR_MADE = ["guard.token", "signing.pem", ".remit/bundle.tar.gz", "engine/state"];
const IGNORED = `# Secrets: the guard's tokens, private keys.
*.token
*.pem
!*.pub.pem
# What \`remit build\`, \`remit dev\` and a guard that decides in process make.
*.tar.gz
.remit/
engine/
`;

async function drafted(command: string[], folder: string, { server: url, json }: Options, ui: Ui): Promise<void> {
  if ((command.length === 0) === (url === undefined))
    throw new CliError("usage", "say where the server is", "`-- node server.js` behind the options, or --server <url>");
  const there = existsSync(folder) ? (await readdir(folder)).filter((name) => /\.ya?ml$/.test(name)) : [];
  if (there.length > 0)
    throw new CliError("failed", `\`${folder}\` has ${there.join(", ")} already`, "name a new folder; a draft overwrites nothing");
  const server = url === undefined ? { command } : { url };
  const { limits, server: read } = parseGuardConfig(
    `remit: {url: "http://localhost"}\nagent: a\npurpose: p\nserver: ${flow(server)}`,
    "guard.yaml",
  );
  const { found, revision } = await reached(surveyEither({ limits, server: { ...read, dir: process.cwd() } }, system));
  const spoken = revision === read.revision ? {} : { revision };
  const { files, remarks } = draft(found, { server: { ...(url === undefined ? { command, dir: process.cwd() } : { url }), ...spoken } });
  await mkdir(folder, { recursive: true });
  for (const [name, text] of Object.entries(files)) writeFileSync(join(folder, name), text);
  const isLeftOut = existsSync(join(folder, IGNORING)) || (await areIgnored(folder, SECRET_OR_MADE));
  if (!isLeftOut) writeFileSync(join(folder, IGNORING), IGNORED);
  const written = [...Object.keys(files), ...(isLeftOut ? [] : [IGNORING])];
  if (json === true) {
    sayJson(ui, { ok: true, folder, files: written, remarks });
    return;
  }
  for (const name of written) ui.out(`  ${join(folder, name)}`);
  for (const remark of remarks) ui.err(`${ui.paint("yellow", "look:")} ${remark}`);
  ui.err(
    `${ui.paint("cyan", "hint:")} next: read them, then \`remit build ${folder}\` and \`remit guard mcp --config ${join(folder, "guard.yaml")} --approve\``,
  );
}
