/** `remit guard mcp login`: a person signs in at the server that a guard stands before. */
import type { Command } from "commander";
import type { GuardConfig } from "../../guards/mcp/config.js";
import { oauthServer, signIn, type LoginPrompt } from "../../guards/mcp/oauth/login.js";
import { system } from "../../system/index.js";
import { CliError } from "../exit.js";
import { sayJson, type Ui } from "../ui.js";

interface Options {
  device?: true;
  json?: true;
}

const EXAMPLES = `
Examples:
  $ remit guard mcp login crm/guard.yaml             # in a browser of this machine
  $ remit guard mcp login crm/guard.yaml --device    # on a machine without one: by a code that is entered elsewhere`;

/** @param read reads a guard's configuration */
export function addLogin(mcp: Command, read: (file: string) => GuardConfig, ui: Ui): void {
  mcp
    .command("login")
    .description("sign in at the server, by OAuth; a guard that runs goes on with the new token")
    .argument("[guard.yaml]", "the guard's configuration, with `server.oauth`", "guard.yaml")
    .option("--device", "by a code that is entered in a browser elsewhere")
    .option("--json", "say it as JSON")
    .addHelpText("after", EXAMPLES)
    .action(async (file: string, _options: Options, command: Command) => {
      // The command above has a `--json` too, and takes it first.
      const { device, json } = command.optsWithGlobals<Options>();
      const server = oauthServer(read(file).server);
      if (server === null)
        throw new CliError("invalid", `\`${file}\` has no \`server.oauth\``, "`oauth: {}` beside the server's `url` will often do");
      const show = (prompt: LoginPrompt): void => {
        shown(prompt, ui);
      };
      const { file: kept, ...login } = await signIn(server, { device: device === true, show }, system);
      if (json === true) {
        sayJson(ui, { ok: true, resource: login.resource, issuer: login.issuer, scopes: login.scopes, renews: login.renews, file: kept });
        return;
      }
      ui.out(`${ui.paint("green", "signed in")}  at ${login.issuer}, for ${login.resource}`);
      if (login.scopes.length > 0) ui.out(`scopes: ${login.scopes.join(" ")}`);
      if (!login.renews) ui.err(`${ui.paint("yellow", "warning:")} it can't be renewed: when its token ends, sign in again`);
      ui.err(`${ui.paint("cyan", "hint:")} its tokens are in ${kept}, for this user alone`);
    });
}

function shown({ url, code, scopes }: LoginPrompt, ui: Ui): void {
  if (scopes.length > 0) ui.err(`It asks for the scopes ${scopes.join(" ")}.`);
  ui.err(code === null ? "Open this address in a browser of this machine:" : "Open this address in a browser, on whatever machine:");
  ui.err(`  ${url}`);
  if (code !== null) ui.err(`and enter this code there: ${ui.paint("bold", code)}`);
}
