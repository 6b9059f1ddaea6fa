/** `remit findings`: what has to be looked into, and what a person says of it. */
import { InvalidArgumentError, Option, type Command } from "commander";
import {
  FINDING_STATES,
  SEVERITIES,
  visibleJson,
  type ApprovalList,
  type ApprovalState,
  type ApproveFinding,
  type EndEvent,
  type Finding,
  type FindingNews,
  type FollowedNodes,
  type GrantAnswer,
  type JudgeFinding,
  type JudgedFinding,
  type ShownFinding,
  type WaitingApproval,
} from "../../contract/index.js";
import { aligned } from "../records/audit/lines.js";
import { timeOrAgo } from "../records/audit/source.js";
import { Client, asking, pathOf, type ServiceFlags } from "../client.js";
import type { Exit } from "../exit.js";
import { lineOf, linesOf, rowOf, HEAD } from "./finding_lines.js";
import { sayFact, sayList, sayMissing } from "../facts/show.js";
import { followed } from "../stream.js";
import { sayError, sayJson, type Ui } from "../ui.js";
import { count, countOrNone, revision } from "../values.js";

interface FilterOptions extends ServiceFlags {
  agent?: string;
  purpose?: string;
  state?: string;
  severity?: string;
  code?: string;
}

interface ListOptions extends FilterOptions {
  since?: string;
  limit: number;
}

interface FollowOptions extends FilterOptions {
  after?: string;
  limit?: number;
}

interface WaitingOptions extends ServiceFlags {
  agent?: string;
  purpose?: string;
  all?: true;
  limit: number;
}

interface JudgeOptions extends ServiceFlags {
  reason: string;
  revision?: number;
}

export function addFindings(program: Command, ui: Ui, finish: (exit: Exit) => void): void {
  const findings = program.command("findings").description("findings: what somebody has to look into, one for each incident");

  asking(
    filtered(findings.command("list").description("list findings, the newest first"))
      .option("--since <time>", "seen since: RFC 3339, a date, or how long ago (8h, 2d)", timeOrAgo)
      .option("--limit <n>", "how many at most", count, 100),
    `  $ remit findings list --state open
  $ remit findings list --agent support-7 --severity high --since 2d --json`,
  ).action(async ({ limit, ...options }: ListOptions) => {
    const found = await new Client(options).list<Finding>("/findings", queryOf(options), limit);
    if (options.json !== true) sayMissing(ui, found.missing ?? []);
    if (options.json === true) sayJson(ui, { ok: true, ...found });
    else if (found.items.length === 0) ui.err("there are none");
    else for (const line of aligned(ui, [HEAD, ...found.items.map(rowOf)])) ui.out(line);
    if (found.more && options.json !== true) ui.err("there are more; --limit says how many to show");
  });

  asking(
    findings
      .command("waiting")
      .description("list actions that wait for a person, the most urgent first; with --all, those that did too")
      .option("--agent <id>", "of this agent")
      .option("--purpose <id>", "for this purpose")
      .option("--all", "those that don't wait any more, too")
      .option("--limit <n>", "how many at most", count, 100),
    `  $ remit findings waiting
  $ remit findings waiting --all --agent support-7 --json`,
  ).action(async ({ agent, purpose, all, limit, ...service }: WaitingOptions) => {
    const state = all === true ? undefined : ("waiting" satisfies ApprovalState);
    const query = { agent, purpose, state, limit };
    const { items, more, nodes } = await new Client(service).ask<ApprovalList>("GET", "/approvals", { query });
    if (service.json !== true) sayMissing(ui, nodes?.missing ?? []);
    const columns = {
      state: ({ state: one }: WaitingApproval) => one,
      until: ({ action }: WaitingApproval) => action.until,
      severity: ({ severity }: WaitingApproval) => severity,
      agent: ({ agent: one }: WaitingApproval) => one,
      finding: ({ finding }: WaitingApproval) => finding,
      decision: ({ action }: WaitingApproval) => action.decision_id,
      action: ({ action }: WaitingApproval) => askedIn(action),
      why: ({ message }: WaitingApproval) => message,
    };
    sayList(ui, { items, more }, columns, service.json);
  });

  asking(
    findings.command("show").description("show one finding: what led to it, when, and what became of it").argument("<id>"),
    `  $ remit findings show F-0190a5e4-7c1a-7000-8000-000000000001
  $ remit findings show F-0190a5e4-7c1a-7000-8000-000000000001 --json | jq .timeline`,
  ).action(async (id: string, options: ServiceFlags) => {
    const shown = await new Client(options).ask<ShownFinding>("GET", pathOf("findings", id));
    if (options.json === true) ui.out(visibleJson(shown));
    else for (const line of linesOf(ui, shown)) ui.out(line);
  });

  const states: [verb: string, state: JudgeFinding["state"], description: string, example: string][] = [
    ["review", "in_review", "say that somebody looks into it", '--reason "mine"'],
    ["reopen", "open", "say that nobody is done with it", '--reason "it came back"'],
  ];
  for (const [verb, state, description, example] of states) {
    judging(findings, verb, description, example).action(async (id: string, options: JudgeOptions) => {
      finish(await judge(ui, id, { state, reason: options.reason }, options));
    });
  }

  judging(
    findings,
    "expected",
    "close it: this is usual. It is learned, and the actions that wait may each be done once",
    '--seen 30 --reason "year-end audit, ticket 12"',
  )
    .requiredOption("--seen <n>", "how many actions it had when you looked: what has come since is not approved", countOrNone)
    .action(async (id: string, options: JudgeOptions & { seen: number }) => {
      const { reason, seen } = options;
      finish(await judge(ui, id, { state: "expected", reason, seen }, options));
    });

  judging(findings, "misuse", "close it: the agent did what it must not, and is suspended", '--reason "prompt injection"')
    .option("--revoke", "revoke the agent instead, until that is lifted; needs the right to revoke")
    .action(async (id: string, options: JudgeOptions & { revoke?: true }) => {
      const keep_out = options.revoke === true ? "revoke" : "suspend";
      finish(await judge(ui, id, { state: "misuse", reason: options.reason, keep_out }, options));
    });

  judging(
    findings,
    "gap",
    "close it: the policy doesn't say this rightly. What it lacks is proposed on stdout, for review",
    '--reason "agents do need orders" > proposal.yaml',
  )
    .addOption(new Option("--propose <effect>", "what it should have said").choices(["allow", "never"]).default("allow"))
    .action(async (id: string, options: JudgeOptions & { propose: "allow" | "never" }) => {
      const { reason, propose } = options;
      finish(await judge(ui, id, { state: "policy_gap", reason, propose }, options));
    });

  asking(
    findings
      .command("approve")
      .description("let one action that waits be done once, when it is asked for again; the finding stays as it is")
      .argument("<id>")
      .requiredOption("--reason <text>", "why; kept")
      .requiredOption("--decision <id>", "which: `remit findings show` says what waits"),
    `  $ remit findings approve F-0190a5e4-7c1a-7000-8000-000000000001 --decision 0190a5e4-7c1a-7000-8000-000000000007 \\
      --reason "her old invoice, ticket 12"`,
  ).action(async (id: string, { reason, decision, ...options }: ServiceFlags & ApproveFinding) => {
    const body: ApproveFinding = { reason, decision };
    const grant = await new Client(options).ask<GrantAnswer>("POST", `${pathOf("findings", id)}/approvals`, { body });
    sayFact(ui, grant, options.json);
  });

  asking(
    filtered(findings.command("follow").description("show findings as they are opened and change; when the connection ends it misses none"))
      .option("--after <place>", "begin after it, as `follow --json` says it (default: now)", place)
      .option("--limit <n>", "end after so many (default: never)", count),
    `  $ remit findings follow
  $ remit findings follow --severity high --json | while read -r finding; do …; done`,
  ).action(async (options: FollowOptions) => {
    await follow(ui, options);
  });
}

function filtered(command: Command): Command {
  return command
    .option("--agent <id>", "of this agent")
    .option("--purpose <id>", "for this purpose")
    .addOption(new Option("--state <state>", "that stand so").choices(FINDING_STATES))
    .addOption(new Option("--severity <severity>", "at least so severe").choices(SEVERITIES))
    .option("--code <code>", "with a reason of this code");
}

function queryOf({ agent, purpose, state, severity, code, since }: FilterOptions & { since?: string }): Record<string, string | undefined> {
  return { agent, purpose, state, severity, code, since };
}

function judging(findings: Command, verb: string, description: string, example: string): Command {
  return asking(
    findings
      .command(verb)
      .description(description)
      .argument("<id>")
      .requiredOption("--reason <text>", "why; kept")
      .option("--revision <n>", "only if this is its revision (default: as it is now)", revision),
    `  $ remit findings ${verb} F-0190a5e4-7c1a-7000-8000-000000000001 ${example}`,
  );
}

async function judge(ui: Ui, id: string, body: JudgeFinding, { revision: given, ...options }: JudgeOptions): Promise<Exit> {
  const client = new Client(options);
  const path = pathOf("findings", id);
  const if_match = given ?? (await client.ask<Finding>("GET", path)).revision;
  const judged = await client.ask<JudgedFinding>("POST", path, { body, if_match });
  const isHeld = judged.in_force?.durable === false;
  if (options.json === true) sayJson(ui, { ok: true, ...judged });
  else sayJudged(ui, judged, isHeld);
  return isHeld ? "held" : "ok";
}

function sayJudged(ui: Ui, judged: JudgedFinding, isHeld: boolean): void {
  const { verdict } = judged;
  ui.err(lineOf(ui, judged));
  if (verdict?.kept_out !== null && verdict?.kept_out !== undefined) ui.err(`agent ${judged.agent ?? ""} is ${verdict.kept_out}`);
  for (const grant of verdict?.grants ?? []) ui.err(`grant ${grant} lets an action that waited be done once`);
  const taught = verdict?.teaches.length ?? 0;
  if (taught > 0) ui.err(`${taught} ${taught === 1 ? "action is" : "actions are"} usual from now on`);
  if (verdict?.proposal !== null && verdict?.proposal !== undefined) ui.out(verdict.proposal.trimEnd());
  if (isHeld)
    sayError(ui, "it holds at once, and isn't durable yet", "the service tries again until it is; `remit facts events` shows it then");
}

function place(text: string): string {
  if (!/^(?:\d{1,15}-\d{1,15}|m[A-Za-z0-9_-]+)$/.test(text)) throw new InvalidArgumentError("must be such as 4711-58");
  return text;
}

type Streamed =
  | { event: "finding"; data: FindingNews }
  | { event: "ready" | "reset"; data: { after: string } }
  | { event: "nodes"; data: FollowedNodes }
  | { event: "end"; data: EndEvent };

async function follow(ui: Ui, { after, limit = Infinity, ...options }: FollowOptions): Promise<void> {
  let seen = 0;
  for await (const event of followed(options, "/findings/stream", queryOf(options), after, ui)) {
    const { event: name, data } = event as Streamed;
    if (options.json === true) ui.out(visibleJson({ event: name, ...data }));
    else if (name === "finding") ui.out(`${data.change.padEnd(7)}  ${lineOf(ui, data.finding)}`);
    else if (name === "end") ui.err(`${ui.paint("dim", "ended:")} ${data.title}`);
    else if (name === "nodes") sayMissing(ui, data.missing);
    else if (name === "ready") ui.err(`${ui.paint("dim", "following")} from ${data.after}`);
    else ui.err(`${ui.paint("yellow", "warning:")} the place to go on after is none of this log's; it goes on from ${data.after}`);
    if (name === "finding" && ++seen >= limit) return;
  }
}

/** Returns what waits to be done, `read invoice I-9`, as far as it is kept there. */
function askedIn({ fields }: WaitingApproval["action"]): string {
  const asked = ["/verb", "/resource/type", "/resource/id"].map((name) => fields.find(({ field }) => field === name)?.value ?? "");
  return asked
    .map((json) => json.replaceAll(/^"|"$/g, ""))
    .filter((word) => word !== "")
    .join(" ");
}
