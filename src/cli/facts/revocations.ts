/** `remit revoke` and `remit revocations`: what is cut off, and undoing that. */
import { userInfo } from "node:os";
import { Argument, type Command } from "commander";
import { REVOCATION_SCOPES, type CreateRevocation, type LiftRevocation, type RevocationAnswer } from "../../contract/index.js";
import { STOP_FILE, readStop, writeStop } from "../../facts/stop_file.js";
import { sleep } from "../../system/index.js";
import { Client, asking, pathOf, type ServiceFlags } from "../client.js";
import { CliError, type Exit } from "../exit.js";
import { storeIn } from "../places.js";
import { sayChanged, sayFact, sayList } from "./show.js";
import { sayJson, type Ui } from "../ui.js";
import { count, revision, yesNo } from "../values.js";

type Scope = (typeof REVOCATION_SCOPES)[number];

export function addRevoke(program: Command, ui: Ui, finish: (exit: Exit) => void): void {
  asking(
    program
      .command("revoke")
      .description("cut something off at once; `remit revocations lift` undoes it")
      .addArgument(new Argument("<scope>", "what").choices(REVOCATION_SCOPES))
      .argument("[id]", "of what; a token's is its `jti`; everything has none")
      .requiredOption("--reason <text>", "why; kept")
      .option("--store <folder>", "of everything, where no request gets through: the store's folder (`facts.store`)"),
    `  $ remit revoke agent support-7 --reason "incident 12"
  $ remit revoke everything --reason "incident 12"
  $ remit revoke everything --reason "incident 12" --store /var/lib/remit/facts   # asks no service

A revoked agent's, owner's or purpose's next action is denied, and so is that of each task below a revoked task.`,
  ).action(async (scope: Scope, id: string | undefined, options: ServiceFlags & { reason: string; store?: string }) => {
    if ((scope === "everything") !== (id === undefined))
      throw new CliError("usage", scope === "everything" ? "everything has no id" : `which ${scope}?`);
    if (options.store !== undefined && scope !== "everything") throw new CliError("usage", "--store is for `remit revoke everything`");
    if (options.store !== undefined) {
      finish(await stop(ui, options.store, options.reason, options.json));
      return;
    }
    const target = scope === "everything" ? { everything: true as const } : { [scope]: id };
    const body: CreateRevocation = { scope: target, reason: options.reason };
    try {
      const changed = await new Client(options).ask<RevocationAnswer>("POST", "/revocations", { body });
      finish(sayChanged(ui, changed, options.json));
    } catch (cause) {
      if (!(cause instanceof CliError) || scope !== "everything" || cause.exit === "usage") throw cause;
      throw new CliError(cause.exit, cause.message, "on the service's machine, --store <folder> needs neither the service nor a token", {
        cause,
        code: cause.code,
      });
    }
  });
}

const TAKEN_WITHIN_MS = 3000;
const LOOK_MS = 50;

/** Puts the stop file there, and waits a moment for a service to take it. */
async function stop(ui: Ui, folder: string, reason: string, json: true | undefined): Promise<Exit> {
  storeIn(folder);
  writeStop(folder, { reason, by: `file:${userInfo().username}` });
  let taken = false;
  for (let waited = 0; !taken && waited < TAKEN_WITHIN_MS; waited += LOOK_MS) {
    await sleep(LOOK_MS);
    taken = (await readStop(folder)) === null;
  }
  if (json === true) sayJson(ui, { ok: true, file: STOP_FILE, durable: taken });
  else if (taken) ui.out(`${ui.paint("green", "stopped")}  the service has revoked everything, and stored it`);
  else
    ui.out(
      `${ui.paint("yellow", "stopped")}  a service on this store decides nothing but denials from now on, also after a start; ` +
        `${STOP_FILE} stays until it could be stored`,
    );
  return taken ? "ok" : "held";
}

export function addRevocations(program: Command, ui: Ui): void {
  const revocations = program.command("revocations").description("revocations: what is cut off, and undoing that");

  asking(
    revocations
      .command("list")
      .description("list revocations, by id")
      .option("--scope <scope>", "only of this scope")
      .option("--in-force <yes|no>", "only those not lifted, or lifted", yesNo)
      .option("--limit <n>", "how many at most", count, 100),
    "  $ remit revocations list --in-force yes",
  ).action(async ({ scope, inForce, limit, ...options }: ServiceFlags & { scope?: string; inForce?: boolean; limit: number }) => {
    const query = { scope, in_force: inForce };
    const found = await new Client(options).list<RevocationAnswer>("/revocations", query, limit);
    const columns = {
      id: ({ id }: RevocationAnswer) => id,
      since: ({ since }: RevocationAnswer) => since,
      by: ({ by }: RevocationAnswer) => by,
      lifted: ({ lifted }: RevocationAnswer) => lifted?.at,
      reason: ({ reason }: RevocationAnswer) => reason,
    };
    sayList(ui, found, columns, options.json);
  });

  asking(
    revocations.command("show").description("show one revocation").argument("<id>", "such as agent/support-7"),
    "  $ remit revocations show agent/support-7\n  $ remit revocations show everything",
  ).action(async (id: string, options: ServiceFlags) => {
    sayFact(ui, await new Client(options).ask<RevocationAnswer>("GET", revocationPath(id)), options.json);
  });

  asking(
    revocations
      .command("lift")
      .description("let go on what was cut off")
      .argument("<id>", "such as agent/support-7")
      .requiredOption("--reason <text>", "why; kept")
      .option("--revision <n>", "only if this is its revision", revision),
    `  $ remit revocations lift agent/support-7 --reason "it was not this one"
  $ remit revocations lift everything --reason "incident 12 is over"`,
  ).action(async (id: string, options: ServiceFlags & { reason: string; revision?: number }) => {
    const body: LiftRevocation = { reason: options.reason };
    const asked = { body, if_match: options.revision };
    const lifted = await new Client(options).ask<RevocationAnswer>("POST", `${revocationPath(id)}/lift`, asked);
    sayFact(ui, lifted, options.json);
  });
}

/** The slash after the scope parts; any other is of what was revoked. @throws CliError where nothing is named but a scope */
function revocationPath(id: string): string {
  const slash = id.indexOf("/");
  if (slash < 0 && id !== "everything")
    throw new CliError("usage", `\`${id}\` names no revocation`, "such as agent/support-7, or everything");
  return slash < 0 ? pathOf("revocations", id) : pathOf("revocations", id.slice(0, slash), id.slice(slash + 1));
}
