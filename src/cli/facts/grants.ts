/** `remit grants`: what is permitted for a while, beside what purposes permit. */
import { Option, type Command } from "commander";
import { GRANT_STATES, type CreateGrant, type EndGrant, type GrantAnswer } from "../../contract/index.js";
import { readYaml } from "../../system/yaml.js";
import { Client, asking, pathOf, type ServiceFlags } from "../client.js";
import { CliError, type Exit } from "../exit.js";
import { sayChanged, sayFact, sayList } from "./show.js";
import { orThereAlready, untilOf } from "./tasks.js";
import type { Ui } from "../ui.js";
import { count, fromNow, revision, time } from "../values.js";

interface CreateOptions extends ServiceFlags {
  agent?: string;
  task?: string;
  entry: string;
  reason: string;
  requestedBy: string;
  approvedBy: string;
  notBefore?: string;
  for?: string;
  expires?: string;
  uses?: number;
}

interface ListOptions extends ServiceFlags {
  agent?: string;
  task?: string;
  state?: string;
  limit: number;
}

export function addGrants(program: Command, ui: Ui, finish: (exit: Exit) => void): void {
  const grants = program.command("grants").description("grants: what is permitted for a while, never for ever");

  const listing: [verb: string, description: string, unused: true | undefined][] = [
    ["list", "list grants, by id", undefined],
    ["unused", "list grants that were given and never used", true],
  ];
  for (const [verb, description, unused] of listing) {
    asking(
      grants
        .command(verb)
        .description(description)
        .option("--agent <id>", "only this agent's")
        .option("--task <id>", "only this task's")
        .addOption(new Option("--state <state>", "only those that stand so").choices(GRANT_STATES))
        .option("--limit <n>", "how many at most", count, 100),
      `  $ remit grants ${verb} --state live`,
    ).action(async ({ agent, task, state, limit, ...options }: ListOptions) => {
      const query = { agent, task, state, unused };
      const found = await new Client(options).list<GrantAnswer>("/grants", query, limit);
      const columns = {
        id: (grant: GrantAnswer) => grant.id,
        state: (grant: GrantAnswer) => grant.state,
        holder: (grant: GrantAnswer) => (grant.agent === null ? `task ${grant.task ?? ""}` : `agent ${grant.agent}`),
        used: (grant: GrantAnswer) => `${grant.used}${grant.uses === null ? "" : ` of ${grant.uses}`}`,
        expires: (grant: GrantAnswer) => grant.expires,
        permits: (grant: GrantAnswer) => grant.entry ?? grant.action_digest,
      };
      sayList(ui, found, columns, options.json);
    });
  }

  asking(grants.command("show").description("show one grant").argument("<id>"), "  $ remit grants show G-1").action(
    async (id: string, options: ServiceFlags) => {
      sayFact(ui, await new Client(options).ask<GrantAnswer>("GET", pathOf("grants", id)), options.json);
    },
  );

  asking(
    grants
      .command("create")
      .description("permit an agent or a task something for a while")
      .argument("<id>")
      .option("--agent <id>", "who may; or --task")
      .option("--task <id>", "on which task")
      .requiredOption("--entry <entry>", "what, as purposes write it")
      .requiredOption("--reason <text>", "why; kept")
      .requiredOption("--requested-by <id>", "who asked for it")
      .requiredOption("--approved-by <id>", "who said yes")
      .option("--for <time>", "how long: 90s, 30m, 8h, 2d", fromNow)
      .option("--expires <time>", "until when instead, RFC 3339", time)
      .option("--not-before <time>", "from when, RFC 3339 (default: now)", time)
      .option("--uses <n>", "how often (default: as often as it likes)", count),
    `  $ remit grants create G-1 --agent support-7 --for 30m --entry '{read: invoice, about: other, when: {customer: bob}}' \\
      --reason "chargeback 4711" --requested-by ada@example.com --approved-by lead@example.com --uses 3`,
  ).action(async (id: string, options: CreateOptions) => {
    const { agent, task, notBefore, uses } = options;
    const body: CreateGrant = {
      id,
      ...(agent !== undefined && { agent }),
      ...(task !== undefined && { task }),
      entry: entryOf(options.entry),
      reason: options.reason,
      requested_by: options.requestedBy,
      approved_by: options.approvedBy,
      ...(notBefore !== undefined && { not_before: notBefore }),
      expires: untilOf(options),
      ...(uses !== undefined && { uses }),
    };
    const created = new Client(options).ask<GrantAnswer>("POST", "/grants", { body });
    sayFact(ui, await orThereAlready(created, options), options.json);
  });

  asking(
    grants
      .command("end")
      .description("end a grant before its time")
      .argument("<id>")
      .requiredOption("--reason <text>", "why; kept")
      .option("--revision <n>", "only if this is its revision", revision),
    '  $ remit grants end G-1 --reason "done"',
  ).action(async (id: string, options: ServiceFlags & { reason: string; revision?: number }) => {
    const body: EndGrant = { ended: true, reason: options.reason };
    const asked = { body, if_match: options.revision };
    const changed = await new Client(options).ask<GrantAnswer>("PATCH", pathOf("grants", id), asked);
    finish(sayChanged(ui, changed, options.json));
  });
}

function entryOf(text: string): Record<string, unknown> {
  const { value } = readYaml(text, "--entry");
  if (typeof value !== "object" || value === null || Array.isArray(value))
    throw new CliError("usage", "--entry is no entry", "such as '{read: invoice, about: other}'");
  return value as Record<string, unknown>;
}
