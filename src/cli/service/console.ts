/** `remit console`: the pages on which people see, judge and stop what agents do. */
import { once } from "node:events";
import type { Command } from "commander";
import { pinnedOpaVersion, wasmArtefact } from "../../bundle/opa.js";
import { readConsoleConfig, type ConsoleConfig } from "../../console/config.js";
import { startConsole, type RunningConsole } from "../../console/server.js";
import { system } from "../../system/index.js";
import { logger } from "../../system/logger.js";
import { asset } from "../../system/paths.js";
import { YamlError } from "../../system/yaml.js";
import { CliError } from "../exit.js";
import { plain, type Ui } from "../ui.js";

const EXAMPLES = `
Examples:
  $ remit console --local                      # on this machine: prints an address that signs in once
  $ remit console --config /etc/remit/console.yaml`;

interface Options {
  config: string;
  local?: true;
}

export function addConsole(program: Command, ui: Ui): void {
  program
    .command("console")
    .description("serve the console: pages in a browser, beside a running service")
    .option("--config <file>", "its configuration", "console.yaml")
    .option("--local", "sign in by an address that is printed here, and not by an identity provider; on loopback alone")
    .addHelpText("after", EXAMPLES)
    .action(async ({ config, local }: Options) => {
      const running = await started(configIn(config), local === true, ui);
      const signIn = running.signIn();
      ui.out(signIn === null ? `The console is at ${running.url}` : `Open ${signIn}`);
      await Promise.race([once(process, "SIGTERM"), once(process, "SIGINT")]);
      await running.stop();
    });
}

/** @throws CliError, YamlError */
function configIn(file: string): ConsoleConfig {
  try {
    return readConsoleConfig(file);
  } catch (cause) {
    if (cause instanceof YamlError) throw cause;
    throw new CliError("invalid", plain(cause as Error), "--config names it; docs/console.md has its keys", { cause });
  }
}

/** @throws CliError */
async function started(config: ConsoleConfig, local: boolean, ui: Ui): Promise<RunningConsole> {
  const announce = (url: string): void => {
    ui.out(`Somebody wants to sign in. If that is you, open ${url}`);
  };
  try {
    return await startConsole(
      config,
      { local, page: asset("dist", "console"), opa: wasmArtefact(pinnedOpaVersion()), announce },
      system,
      logger(system.clock),
    );
  } catch (cause) {
    throw new CliError("failed", plain(cause as Error), null, { cause });
  }
}
