/** `remit agents narrow`, `widen` and `narrowings`: leaving an agent with reading what its task is about, and undoing that. */
import type { Command } from "commander";
import { visible, type AgentAnswer, type LiftNarrowing, type NarrowAgent, type NarrowingAnswer } from "../../contract/index.js";
import { Client, asking, pathOf, type ServiceFlags } from "../client.js";
import type { Exit } from "../exit.js";
import { sayChanged, sayFact, sayList } from "./show.js";
import type { Ui } from "../ui.js";
import { count, revision, yesNo } from "../values.js";

export function addNarrowings(agents: Command, ui: Ui, finish: (exit: Exit) => void): void {
  asking(
    agents
      .command("narrowings")
      .description("list agents that are narrowed, or were, by id; with an id, show that agent's narrowing")
      .argument("[id]", "of which agent")
      .option("--purpose <id>", "only those narrowed for what was unusual for it")
      .option("--in-force <yes|no>", "only those not lifted, or lifted", yesNo)
      .option("--limit <n>", "how many at most", count, 100),
    `  $ remit agents narrowings --in-force yes
  $ remit agents narrowings support-7`,
  ).action(async (id: string | undefined, options: ListOptions) => {
    const { purpose, inForce: in_force, limit, ...service } = options;
    const client = new Client(service);
    if (id !== undefined) {
      sayFact(ui, await client.ask<NarrowingAnswer>("GET", pathOf("agents", id, "narrowing")), service.json);
      return;
    }
    const found = await client.list<NarrowingAnswer>("/narrowings", { purpose, in_force }, limit);
    const columns = {
      agent: ({ agent }: NarrowingAnswer) => agent,
      since: ({ since }: NarrowingAnswer) => since,
      by: ({ by }: NarrowingAnswer) => by,
      lifted: ({ lifted }: NarrowingAnswer) => lifted?.at,
      reason: ({ reason }: NarrowingAnswer) => reason,
    };
    sayList(ui, found, columns, service.json);
    if (service.json !== true && in_force !== false) await saySuspended(ui, client);
  });

  asking(
    agents
      .command("narrow")
      .description("leave an agent at once with reading what its task is about, until it is widened")
      .argument("<id>")
      .requiredOption("--reason <text>", "why; kept")
      .option("--per-minute <n>", "how many actions a minute (default: 10)", count),
    '  $ remit agents narrow support-7 --per-minute 5 --reason "incident 12"',
  ).action(async (id: string, options: ServiceFlags & { reason: string; perMinute?: number }) => {
    const { reason, perMinute: actions_per_minute } = options;
    const body: NarrowAgent = { reason, ...(actions_per_minute !== undefined && { actions_per_minute }) };
    const path = pathOf("agents", id, "narrowing");
    finish(sayChanged(ui, await new Client(options).ask<NarrowingAnswer>("POST", path, { body }), options.json));
  });

  asking(
    agents
      .command("widen")
      .description("let a narrowed agent do again all that it may")
      .argument("<id>")
      .requiredOption("--reason <text>", "why; kept")
      .option("--revision <n>", "only if this is the narrowing's revision", revision),
    '  $ remit agents widen support-7 --reason "the export was ordered, ticket 4711"',
  ).action(async (id: string, options: ServiceFlags & { reason: string; revision?: number }) => {
    const body: LiftNarrowing = { reason: options.reason };
    const asked = { body, if_match: options.revision };
    const path = pathOf("agents", id, "narrowing", "lift");
    sayFact(ui, await new Client(options).ask<NarrowingAnswer>("POST", path, asked), options.json);
  });
}

/** Whoever looks for who is held back shouldn't take this list for all of it. */
async function saySuspended(ui: Ui, client: Client): Promise<void> {
  const { items, more } = await client.list<AgentAnswer>("/agents", { status: "suspended" }, NAMED_MAX);
  if (items.length === 0) return;
  const names = visible(items.map(({ id }) => id).join(", "));
  ui.err(`suspended, so not listed here: ${names}${more ? " and more" : ""}; \`remit agents list --status suspended\` lists them`);
}

const NAMED_MAX = 10;

interface ListOptions extends ServiceFlags {
  purpose?: string;
  inForce?: boolean;
  limit: number;
}
