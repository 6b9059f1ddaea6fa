/** `remit agents`: who may act. */
import { Option, type Command } from "commander";
import { AGENT_STATUSES, type AgentAnswer, type AgentStatus, type ChangeAgent, type CreateAgent } from "../../contract/index.js";
import { Client, asking, pathOf, type ServiceFlags } from "../client.js";
import { CliError, type Exit } from "../exit.js";
import { addNarrowings } from "./narrowings.js";
import { sayChanged, sayFact, sayList } from "./show.js";
import type { Ui } from "../ui.js";
import { collect, count, credential, pair, revision } from "../values.js";

interface Members extends ServiceFlags {
  owner?: string;
  purpose?: string[];
  delegate?: string[];
  name?: string;
  agentVersion?: string;
  attribute?: Record<string, unknown>;
  credential?: { issuer: string; subject: string }[];
  proof?: "required" | "optional";
  reason?: string;
}

export function addAgents(program: Command, ui: Ui, finish: (exit: Exit) => void): void {
  const agents = program.command("agents").description("agents: who may act, for which purposes");

  asking(
    agents
      .command("list")
      .description("list agents, by id")
      .option("--owner <owner>", "only of this owner")
      .option("--purpose <id>", "only those that may act for it")
      .addOption(new Option("--status <status>", "only those that stand so").choices(AGENT_STATUSES))
      .option("--limit <n>", "how many at most", count, 100),
    "  $ remit agents list\n  $ remit agents list --purpose customer_support --status suspended --json",
  ).action(async ({ owner, purpose, status, limit, ...options }: ListOptions) => {
    const found = await new Client(options).list<AgentAnswer>("/agents", { owner, purpose, status }, limit);
    const columns = {
      id: ({ id }: AgentAnswer) => id,
      status: ({ status: stands }: AgentAnswer) => stands,
      owner: ({ owner: whose }: AgentAnswer) => whose,
      purposes: ({ purposes }: AgentAnswer) => purposes,
    };
    sayList(ui, found, columns, options.json);
  });

  asking(agents.command("show").description("show one agent").argument("<id>"), "  $ remit agents show support-7").action(
    async (id: string, options: ServiceFlags) => {
      sayFact(ui, await new Client(options).ask<AgentAnswer>("GET", pathOf("agents", id)), options.json);
    },
  );

  asking(
    withMembers(agents.command("create").description("register an agent; its id is never used again").argument("<id>")),
    `  $ remit agents create support-7 --owner support@example.com --purpose customer_support
  $ remit agents create support-8 --owner support@example.com --purpose customer_support \\
      --credential "https://issuer.example|support-8" --proof required`,
  ).action(async (id: string, options: Members) => {
    const { owner, purpose: purposes = [] } = options;
    if (owner === undefined) throw new CliError("usage", "--owner is missing", "name the team or person that answers for the agent");
    const body: CreateAgent = { id, ...membersOf(options), owner, purposes };
    sayFact(ui, await new Client(options).ask<AgentAnswer>("POST", "/agents", { body }), options.json);
  });

  asking(
    withMembers(
      agents
        .command("change")
        .description("change an agent; options left out stay as they are, and a list is replaced whole")
        .argument("<id>")
        .option("--revision <n>", "only if this is its revision (default: as it is now)", revision),
    ),
    '  $ remit agents change support-7 --purpose customer_support --purpose refunds --reason "ticket 4711"',
  ).action(async (id: string, options: Members & { revision?: number }) => {
    const body: ChangeAgent = membersOf(options);
    if (Object.keys(body).every((name) => name === "reason"))
      throw new CliError("usage", "nothing to change is named", "--help has what there is");
    const client = new Client(options);
    const path = pathOf("agents", id);
    const if_match = options.revision ?? (await client.ask<AgentAnswer>("GET", path)).revision;
    finish(sayChanged(ui, await client.ask<AgentAnswer>("PATCH", path, { body, if_match }), options.json));
  });

  const statuses: [verb: string, status: AgentStatus, description: string][] = [
    ["suspend", "suspended", "stop an agent at once, until it is restored"],
    ["restore", "active", "let a suspended agent act again; also lifts a narrowing for its behaviour"],
    ["retire", "revoked", "end an agent for good: it can't be restored, and its id is never used again"],
  ];
  for (const [verb, status, description] of statuses) {
    asking(
      agents.command(verb).description(description).argument("<id>").requiredOption("--reason <text>", "why; kept"),
      `  $ remit agents ${verb} support-7 --reason "incident 12"`,
    ).action(async (id: string, options: ServiceFlags & { reason: string }) => {
      const body: ChangeAgent = { status, reason: options.reason };
      const changed = await new Client(options).ask<AgentAnswer>("PATCH", pathOf("agents", id), { body });
      finish(sayChanged(ui, changed, options.json));
    });
  }

  addNarrowings(agents, ui, finish);
}

interface ListOptions extends ServiceFlags {
  owner?: string;
  purpose?: string;
  status?: string;
  limit: number;
}

function withMembers(command: Command): Command {
  return command
    .option("--owner <owner>", "who answers for it")
    .option("--purpose <id>", "what it may act for; may be given again", collect)
    .option("--delegate <id>", "a purpose whose tasks it may hand on; may be given again", collect)
    .option("--name <name>", "what people call it")
    .option("--agent-version <version>", "its version")
    .option("--attribute <name=value>", "what the vocabulary's `agent` names; may be given again", pair)
    .option("--credential <issuer|subject>", "whose tokens are this agent's; may be given again", credential)
    .addOption(new Option("--proof <when>", "whether it must prove itself by a token").choices(["required", "optional"]))
    .option("--reason <text>", "why; kept with the change");
}

function membersOf(options: Members): ChangeAgent {
  const { owner, purpose, delegate, name, agentVersion, attribute, credential: credentials, proof, reason } = options;
  return {
    ...(owner !== undefined && { owner }),
    ...(purpose !== undefined && { purposes: purpose }),
    ...(delegate !== undefined && { delegates: delegate }),
    ...(name !== undefined && { name }),
    ...(agentVersion !== undefined && { version: agentVersion }),
    ...(attribute !== undefined && { attributes: attribute }),
    ...(credentials !== undefined && { credentials }),
    ...(proof !== undefined && { token: proof }),
    ...(reason !== undefined && { reason }),
  };
}
