/** `remit outcome`: tells a service what became of an action that it permitted. */
import { Argument, InvalidArgumentError, type Command } from "commander";
import { OUTCOMES, type OutcomeAnswer, type ReportOutcome } from "../../contract/index.js";
import { returnedOf } from "../../flow/index.js";
import { Client, asking, pathOf, type ServiceFlags } from "../client.js";
import type { Exit } from "../exit.js";
import { given } from "../given.js";
import { sayFact } from "../facts/show.js";
import type { Ui } from "../ui.js";

interface Options extends ServiceFlags {
  tookMs?: number;
  amount?: number;
  detail?: string;
  returned?: string;
}

export function addOutcome(program: Command, ui: Ui, _finish: (exit: Exit) => void): void {
  asking(
    program
      .command("outcome")
      .description("say what became of an action that was permitted; once, by who asked for the decision")
      .argument("<decision>", "the decision's id")
      .addArgument(new Argument("<outcome>", "what became of it").choices(OUTCOMES))
      .option("--took-ms <n>", "how long it took, in milliseconds", number)
      .option("--amount <n>", "how much: rows, bytes, cents, as you count", number)
      .option("--detail <text>", "what else there is to say; kept")
      .option("--returned <file>", "what the tool returned, JSON or text; `-`: standard input. Its values are reported, and no text"),
    `  $ remit outcome 0197f0c2-5f0e-7b2a-9d55-3f1f6a3c9e10 done --took-ms 12
  $ remit outcome 0197f0c2-5f0e-7b2a-9d55-3f1f6a3c9e10 failed --detail "timed out"
  $ read-mail 7 | tee answer.json | remit outcome 0197f0c2-5f0e-7b2a-9d55-3f1f6a3c9e10 done --returned -`,
  ).action(async (decision: string, outcome: ReportOutcome["outcome"], options: Options) => {
    const { tookMs, amount, detail, returned } = options;
    const body: ReportOutcome = {
      outcome,
      ...(tookMs !== undefined && { took_ms: tookMs }),
      ...(amount !== undefined && { amount }),
      ...(detail !== undefined && { detail }),
      ...(returned !== undefined && { returned: returnedOf((await given(returned)).toString()) }),
    };
    const path = pathOf("decisions", decision, "outcome");
    sayFact(ui, await new Client(options).ask<OutcomeAnswer>("POST", path, { body }), options.json);
  });
}

function number(text: string): number {
  if (!/^-?\d{1,15}(?:\.\d{1,6})?$/.test(text)) throw new InvalidArgumentError("must be a number");
  return Number(text);
}
