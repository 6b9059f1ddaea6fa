/** `remit guard mcp plan`: what a model is told in order to plan a task, and its answer as a plan of the task. */
import { existsSync } from "node:fs";
import type { Command } from "commander";
import type { Vocabulary } from "../../contract/index.js";
import type { GuardConfig } from "../../guards/mcp/config.js";
import { lockFile, type Pins, type ToolDefinition } from "../../guards/mcp/pins.js";
import { plannerText, readPlannerAnswer, type MadePlan } from "../../guards/mcp/planner.js";
import type { Mapped } from "../../mapping/call_mapping.js";
import { CliError, type Exit } from "../exit.js";
import { given } from "../given.js";
import { readBundle } from "../policy/sources.js";
import { faultsOf } from "./guard_words.js";
import { sayFailure, sayJson, type Ui } from "../ui.js";

interface Options {
  instruction?: string;
  answer?: string;
  bundle?: string;
  json?: true;
}

/** Reads what a guard is configured with. */
export interface GuardFiles {
  config: (file: string) => GuardConfig;
  pins: (lock: string) => Pins;
}

const EXAMPLES = `
Examples:
  $ remit guard mcp plan crm/guard.yaml mail/guard.yaml --instruction "Answer Ada's last mail" > asked.txt   # for a model of yours
  $ remit guard mcp plan crm/guard.yaml mail/guard.yaml --bundle office.tar.gz --answer answer.yaml > plan.json
  $ remit tasks create T-1 --agent office-1 --purpose office --for 1h --plan plan.json \\
      --attribute instruction="Answer Ada's last mail"
  $ REMIT_TASK=T-1 remit guard mcp --config mail/guard.yaml

docs/flow.md says what a plan does, and what to give the model.`;

const BOTH_HINT = "first the one, for a model; then its answer";
const CONFIG_HINT = "name the configurations of the guards as arguments, such as `remit guard mcp plan mail/guard.yaml`";
const NONE_HINT = "create the task without --plan; what its words leave open can't be planned";

export function addPlan(mcp: Command, files: GuardFiles, ui: Ui, finish: (exit: Exit) => void): void {
  mcp
    .command("plan")
    .description("what a model is told in order to plan a task, and its answer as a plan of the task; nobody is asked")
    .argument("[guard.yaml...]", "configurations of the guards whose approved tools the agent has", ["guard.yaml"])
    .option("--instruction <text>", "the user's words: prints what a model is told")
    .option("--answer <file>", "the model's answer, YAML or JSON; `-` is standard input: prints the plan")
    .option("--bundle <file>", "bundle of the policy, for --answer (default: a configuration's `bundle`)")
    .option("--json", "print JSON")
    .addHelpText("after", EXAMPLES)
    .action(async (names: string[], _options: Options, command: Command) => {
      // The command above has a `--json` too, and takes it first.
      const { instruction, answer, bundle, json } = command.optsWithGlobals<Options>();
      if (instruction !== undefined && answer !== undefined)
        throw new CliError("usage", "give --instruction or --answer, only one of them", BOTH_HINT);
      if (instruction === undefined && answer === undefined) throw new CliError("usage", "give --instruction or --answer", BOTH_HINT);
      if (instruction?.trim() === "") throw new CliError("usage", "--instruction is empty", "give it the user's words");
      const guards = names.map((name) => {
        if (!existsSync(name)) throw new CliError("invalid", `\`${name}\` does not exist`, CONFIG_HINT);
        return { name, config: files.config(name), pins: files.pins(lockFile(name)) };
      });
      const tools = toolsOf(guards);
      if (instruction !== undefined) {
        const text = plannerText(
          [...tools.values()].map(({ definition }) => definition),
          instruction,
        );
        if (json === true) sayJson(ui, { ok: true, tools: tools.size, text });
        else ui.out(text.trimEnd());
        return;
      }
      const policy = bundle ?? guards.find(({ config }) => config.bundle !== undefined)?.config.bundle;
      if (policy === undefined)
        throw new CliError("usage", "no bundle says what the words mean", "give --bundle; `remit build` makes one of a policy set");
      const { vocabulary } = (await readBundle(policy)).data;
      checkWords(guards, tools, vocabulary);
      const beside = guards.flatMap(({ config }) => untold(config).map(({ mapped }) => mapped));
      const mapped = new Map([...tools].map(([name, { mapped }]) => [name, mapped]));
      const said = (await given(answer ?? "")).toString();
      const made = readPlannerAnswer(said, answer === "-" ? "the answer" : (answer ?? ""), { tools: mapped, beside, vocabulary });
      if (made === null) finish(sayNone(ui, json === true));
      else sayPlan(ui, made, json === true);
    });
}

/** Prints that the model gives no plan. Scripts tell it from a failure by the exit code. */
function sayNone(ui: Ui, json: boolean): Exit {
  const none = new CliError("no_plan", "the model gives no plan: it leaves the calls to what is read", NONE_HINT);
  if (!json) return sayFailure(ui, none, false);
  sayJson(ui, { ok: false, error: { code: none.code, message: none.message, hint: none.hint }, plan: null });
  return none.exit;
}

function sayPlan(ui: Ui, { plan, left_out, also_permits }: MadePlan, json: boolean): void {
  if (json) {
    sayJson(ui, { ok: true, plan, left_out, also_permits });
    return;
  }
  ui.out(JSON.stringify(plan, null, 2));
  for (const one of left_out) ui.err(`${ui.paint("cyan", "left out:")} ${one}`);
  for (const one of also_permits) ui.err(`${ui.paint("yellow", "also permits:")} ${one}`);
}

interface PlannedGuard {
  name: string;
  config: GuardConfig;
  pins: Pins;
}

/** Mappings of a guard that can come into a plan, each with what it maps. */
function mappingsOf(config: GuardConfig, tools: ReadonlyMap<string, unknown>): { of: string; mapped: Mapped }[] {
  return [...[...config.tools].flatMap(([of, mapped]) => (tools.has(of) ? [{ of, mapped }] : [])), ...untold(config)];
}

/** Mappings that a planner isn't told of: it plans tools. */
function untold(config: GuardConfig): { of: string; mapped: Mapped }[] {
  return [
    ...[...config.prompts].map(([of, mapped]) => ({ of, mapped })),
    ...config.resources.map(({ uri, mapped }) => ({ of: uri.shape, mapped })),
  ];
}

/** @throws CliError if the policy lacks a word of a mapping: it is probably another guard's */
function checkWords(guards: readonly PlannedGuard[], tools: ReadonlyMap<string, unknown>, vocabulary: Vocabulary): void {
  for (const { name, config } of guards) {
    for (const { of, mapped } of mappingsOf(config, tools)) {
      const faults = faultsOf(mapped, vocabulary, []);
      const unknown = faults.find(({ code }) => code === "type_unknown") ?? faults.find(({ code }) => code === "verb_unknown");
      if (unknown !== undefined)
        throw new CliError("invalid", `${unknown.message}, which ${name} maps \`${of}\` to`, "is it the policy of these guards?");
    }
  }
}

interface PlannableTool {
  definition: ToolDefinition;
  mapped: Mapped;
}

/** Tools that are approved and have a meaning. @throws CliError where two guards have one of the same name */
function toolsOf(guards: readonly PlannedGuard[]): Map<string, PlannableTool> {
  const found = new Map<string, PlannableTool & { of: string }>();
  for (const { name: of, config, pins } of guards) {
    for (const [name, mapped] of config.tools) {
      const definition = pins.tools.get(name);
      if (definition === undefined) continue;
      const other = found.get(name);
      if (other !== undefined)
        throw new CliError(
          "invalid",
          `\`${name}\` is a tool of \`${other.of}\` and of \`${of}\``,
          "a plan names tools: plan for one of them",
        );
      found.set(name, { definition, mapped, of });
    }
  }
  if (found.size === 0)
    throw new CliError("invalid", "no tool is approved", `remit guard mcp --config ${guards[0]?.name ?? "guard.yaml"} --approve`);
  return found;
}
