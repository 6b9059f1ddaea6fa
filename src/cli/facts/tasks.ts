/** `remit tasks`: the pieces of work that a host gives agents. */
import type { Command } from "commander";
import type { AmendTask, IssueTask, TaskCreated, TaskFactAnswer, TaskPlan, TaskTokenAnswer } from "../../contract/index.js";
import { isObject } from "../../mapping/call_mapping.js";
import { Client, asking, pathOf, type ServiceFlags } from "../client.js";
import { CliError, type Exit } from "../exit.js";
import { given } from "../given.js";
import { sayChanged, sayFact, sayList } from "./show.js";
import { sayJson, type Ui } from "../ui.js";
import { collect, count, fromNow, pair, revision, subject, time, yesNo } from "../values.js";

interface CreateOptions extends ServiceFlags {
  agent: string;
  purpose: string;
  principal?: string;
  subject?: Record<string, string[]>;
  attribute?: Record<string, unknown>;
  verb?: string[];
  parent?: string;
  plan?: string;
  for?: string;
  expires?: string;
  withToken?: true;
}

interface ListOptions extends ServiceFlags {
  agent?: string;
  purpose?: string;
  parent?: string;
  live?: boolean;
  limit: number;
}

export function addTasks(program: Command, ui: Ui, finish: (exit: Exit) => void): void {
  const tasks = program.command("tasks").description("tasks: the pieces of work that their host gives agents");

  asking(
    tasks
      .command("list")
      .description("list tasks, by id")
      .option("--agent <id>", "only this agent's")
      .option("--purpose <id>", "only those for it")
      .option("--parent <id>", "only those handed on from it")
      .option("--live <yes|no>", "only those that are live, or over", yesNo)
      .option("--limit <n>", "how many at most", count, 100),
    "  $ remit tasks list --agent support-7 --live yes",
  ).action(async ({ agent, purpose, parent, live, limit, ...options }: ListOptions) => {
    const found = await new Client(options).list<TaskFactAnswer>("/tasks", { agent, purpose, parent, live }, limit);
    const columns = {
      id: (task: TaskFactAnswer) => task.id,
      agent: (task: TaskFactAnswer) => task.agent,
      purpose: (task: TaskFactAnswer) => task.purpose,
      expires: (task: TaskFactAnswer) => task.expires,
      ended: (task: TaskFactAnswer) => task.ended?.at,
      subjects: (task: TaskFactAnswer) => subjectsOf(task.subjects),
    };
    sayList(ui, found, columns, options.json);
  });

  asking(tasks.command("show").description("show one task").argument("<id>"), "  $ remit tasks show T-1").action(
    async (id: string, options: ServiceFlags) => {
      sayFact(ui, await new Client(options).ask<TaskFactAnswer>("GET", pathOf("tasks", id)), options.json);
    },
  );

  asking(
    tasks
      .command("create")
      .description("give an agent a piece of work")
      .argument("<id>")
      .requiredOption("--agent <id>", "whose work it is")
      .requiredOption("--purpose <id>", "what it is for")
      .option("--subject <type=id>", "what it is about; may be given again", subject)
      .option("--attribute <name=value>", "what the vocabulary's `task` names; may be given again", pair)
      .option("--principal <id>", "the person it is done for")
      .option("--verb <verb>", "what it may do; may be given again (default: every verb)", collect)
      .option("--parent <id>", "the task that it is handed on from")
      .option("--plan <file>", "the calls that it is for, and where their arguments come from; JSON, `-` is standard input")
      .option("--for <time>", "how long: 90s, 30m, 8h, 2d", fromNow)
      .option("--expires <time>", "until when instead, RFC 3339", time)
      .option("--with-token", "also say a signed token that stands for the task"),
    `  $ remit tasks create T-1 --agent support-7 --purpose customer_support --for 8h \\
      --subject ticket=TCK-81 --subject customer=ada --attribute topic=billing
  $ remit tasks create T-2 --agent billing-1 --purpose customer_support --parent T-1 --for 1h --with-token
  $ remit tasks create T-3 --agent office-1 --purpose office --for 1h --plan plan.json`,
  ).action(async (id: string, options: CreateOptions) => {
    const { agent, purpose, principal, subject: subjects, attribute: attributes, verb: verbs, parent } = options;
    const plan = options.plan === undefined ? undefined : await planIn(options.plan);
    const body: IssueTask = {
      id,
      agent,
      purpose,
      ...(principal !== undefined && { principal }),
      ...(subjects !== undefined && { subjects }),
      ...(attributes !== undefined && { attributes }),
      ...(verbs !== undefined && { verbs }),
      ...(parent !== undefined && { parent }),
      ...(plan !== undefined && { plan }),
      expires: untilOf(options),
    };
    const query = { token: options.withToken };
    const created = new Client(options).ask<TaskCreated>("POST", "/tasks", { body, query });
    sayFact(ui, await orThereAlready(created, options), options.json);
  });

  asking(
    tasks
      .command("change")
      .description("add subjects to a task")
      .argument("<id>")
      .requiredOption("--subject <type=id>", "what it is about as well; may be given again", subject)
      .option("--reason <text>", "why; kept with the change")
      .option("--revision <n>", "only if this is its revision", revision),
    '  $ remit tasks change T-1 --subject customer=bob --reason "a family account"',
  ).action(async (id: string, options: ServiceFlags & { subject: Record<string, string[]>; reason?: string; revision?: number }) => {
    const { reason } = options;
    await change(id, { subjects: options.subject, ...(reason !== undefined && { reason }) }, options);
  });

  asking(
    tasks
      .command("end")
      .description("end a task for good; every decision that begins after the answer knows it")
      .argument("<id>")
      .option("--reason <text>", "why; kept with the change")
      .option("--revision <n>", "only if this is its revision", revision),
    '  $ remit tasks end T-1 --reason "the ticket is closed"',
  ).action(async (id: string, options: ServiceFlags & { reason?: string; revision?: number }) => {
    const { reason } = options;
    await change(id, { ended: true, ...(reason !== undefined && { reason }) }, options);
  });

  asking(
    tasks.command("token").description("say a signed token that stands for a task").argument("<id>"),
    "  $ remit tasks token T-1",
  ).action(async (id: string, options: ServiceFlags) => {
    const answer = await new Client(options).ask<TaskTokenAnswer>("POST", pathOf("tasks", id, "token"));
    if (options.json === true) sayJson(ui, { ok: true, ...answer });
    else ui.out(answer.task_token);
  });

  async function change(id: string, body: AmendTask, options: ServiceFlags & { revision?: number }): Promise<void> {
    const asked = { body, if_match: options.revision };
    const changed = await new Client(options).ask<TaskFactAnswer>("PATCH", pathOf("tasks", id), asked);
    finish(sayChanged(ui, changed, options.json));
  }
}

/** Reads a plan, as it is or as `remit guard mcp plan --json` prints it; what it says is the service's to judge. @throws CliError */
async function planIn(file: string): Promise<TaskPlan> {
  const form = `such as [{"verb": "read", "type": "mail"}]; \`remit guard mcp plan\` makes one of a model's answer`;
  const text = (await given(file)).toString();
  let said: unknown;
  try {
    said = JSON.parse(text);
  } catch (cause) {
    throw new CliError("invalid", `\`${file}\` isn't JSON: ${(cause as SyntaxError).message}`, form, { cause });
  }
  const plan = isObject(said) && "plan" in said ? said["plan"] : said;
  if (!Array.isArray(plan)) throw new CliError("invalid", `\`${file}\` has no list of calls`, form);
  return plan as TaskPlan;
}

/** @throws CliError unless exactly one of them says it */
export function untilOf({ for: long, expires }: { for?: string; expires?: string }): string {
  const said = long ?? expires;
  if (said === undefined || (long !== undefined && expires !== undefined))
    throw new CliError("usage", "give --for or --expires", said === undefined ? "nothing here lasts for ever" : "not both");
  return said;
}

/** Adds a hint to a conflict that `--for` causes: a repeated request ends at another time. */
export async function orThereAlready<T>(created: Promise<T>, options: { for?: string }): Promise<T> {
  try {
    return await created;
  } catch (cause) {
    if (!(cause instanceof CliError) || options.for === undefined || !cause.code.endsWith("_exists")) throw cause;
    const hint = "--for ends at another time with each call; to repeat one, give the --expires that it has";
    throw new CliError(cause.exit, cause.message, hint, { cause, code: cause.code });
  }
}

function subjectsOf(subjects: Record<string, string[]>): string {
  return Object.entries(subjects)
    .map(([type, ids]) => `${type}=${ids.join(",")}`)
    .join(" ");
}
