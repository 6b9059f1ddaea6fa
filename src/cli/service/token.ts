/** `remit token`: a token by the issuer of `remit dev`, which no service in production takes. */
import { createPrivateKey } from "node:crypto";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import type { Command } from "commander";
import { SCOPES, type Scope } from "../../contract/index.js";
import { nearestWord } from "../../contract/nearest.js";
import { DEV_FOLDER } from "../policy/dev.js";
import { CliError } from "../exit.js";
import { sayJson, type Ui } from "../ui.js";
import { collect } from "../values.js";

const EXAMPLES = `
Examples:
  $ export REMIT_URL=http://127.0.0.1:8181 REMIT_TOKEN=$(remit token)
  $ remit token --scope remit:decide --subject gateway
  $ remit token --agent support-7                # an agent's own, as \`agent_token\` of a request`;

interface Options {
  folder: string;
  subject: string;
  scope?: string[];
  agent?: string;
  principal?: string;
  json?: true;
}

export function addToken(program: Command, ui: Ui): void {
  program
    .command("token")
    .description("print a token for the service of `remit dev`; for development alone")
    .option("--folder <folder>", "of the policy set that `remit dev` serves", ".")
    .option("--subject <name>", "the caller", "developer")
    .option("--scope <scope>", "what the caller may do; may be given again (default: everything)", collect)
    .option("--agent <id>", "an agent's own token, instead of a caller's")
    .option("--principal <name>", "with --agent: whom it acts for")
    .option("--json", "print JSON")
    .addHelpText("after", EXAMPLES)
    .action(async ({ folder, subject, scope, agent, principal, json }: Options) => {
      const file = join(folder, DEV_FOLDER, "issuer.pem");
      if (!existsSync(file)) throw new CliError("missing", `there is no \`${file}\``, "`remit dev` makes it when it first serves");
      const { tokensBy } = await import("../../service/sandbox.js");
      const issuer = tokensBy(createPrivateKey(readFileSync(file)));
      const token = agent === undefined ? issuer.token(subject, scopesOf(scope)) : issuer.agentToken(agent, principal);
      if (json === true) sayJson(ui, { ok: true, token });
      else ui.out(token);
    });
}

function scopesOf(scopes: readonly string[] | undefined): Scope[] {
  const known = Object.keys(SCOPES) as Scope[];
  const wrong = scopes?.find((scope) => !(known as string[]).includes(scope));
  if (wrong === undefined) return (scopes ?? known) as Scope[];
  const meant = nearestWord(wrong, known);
  throw new CliError(
    "usage",
    `there is no scope \`${wrong}\``,
    meant === null ? `known: ${known.join(", ")}` : `did you mean \`${meant}\`?`,
  );
}
