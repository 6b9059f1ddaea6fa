/** `remit guard mcp plan`: what a model is told in order to plan a task, and its answer as a plan of the task. */
import { text as readAll } from "node:stream/consumers";
import type { Command } from "commander";
import type { GuardConfig } from "../../guards/mcp/config.js";
import { lockFile, type Pins, type ToolDefinition } from "../../guards/mcp/pins.js";
import { plannerText, readPlannerAnswer } from "../../guards/mcp/planner.js";
import type { Mapped } from "../../mapping/call_mapping.js";
import { readGiven } from "../../system/read_file.js";
import { CliError } from "../exit.js";
import { readBundle } from "../policy/sources.js";
import { sayJson, type Ui } from "../ui.js";

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

export function addPlan(mcp: Command, files: GuardFiles, ui: Ui): void {
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
      if ((instruction === undefined) === (answer === undefined))
        throw new CliError("usage", "give --instruction or --answer", "first the one, for a model; then its answer");
      const guards = names.map((name) => ({ name, config: files.config(name), pins: files.pins(lockFile(name)) }));
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
      const possible = guards.flatMap(({ config }) => [
        ...[...config.tools].filter(([name]) => tools.has(name)).map(([, mapped]) => mapped),
        ...config.prompts.values(),
        ...config.resources.map(({ mapped }) => mapped),
      ]);
      const mapped = new Map([...tools].map(([name, { mapped }]) => [name, mapped]));
      const said = answer === "-" ? await readAll(process.stdin) : readGiven(answer ?? "").toString();
      const made = readPlannerAnswer(said, answer === "-" ? "the answer" : (answer ?? ""), { tools: mapped, possible, vocabulary });
      if (json === true) sayJson(ui, { ok: true, plan: made?.plan ?? null, left_out: made?.left_out ?? [] });
      else if (made !== null) ui.out(JSON.stringify(made.plan, null, 2));
      if (made === null && json !== true) {
        const hint = "create the task without --plan; what its words leave open can't be planned";
        throw new CliError("failed", "the model gives no plan: it leaves the calls to what is read", hint);
      }
      for (const one of made?.left_out ?? []) ui.err(`${ui.paint("cyan", "left out:")} ${one}`);
    });
}

interface PlannableTool {
  definition: ToolDefinition;
  mapped: Mapped;
}

/** Tools that are approved and have a meaning. @throws CliError where two guards have one of the same name */
function toolsOf(guards: readonly { name: string; config: GuardConfig; pins: Pins }[]): Map<string, PlannableTool> {
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
  if (found.size === 0) throw new CliError("invalid", "no tool is approved", "remit guard mcp --config guard.yaml --approve");
  return found;
}
