/** `remit serve`: runs the service until it is told to stop. */
import { once } from "node:events";
import { existsSync } from "node:fs";
import { setFlagsFromString } from "node:v8";
import type { Command } from "commander";
import { checkService, startService } from "../service.js";
import { keyOfFile, readConfig, type Config } from "../system/config.js";
import { system } from "../system/index.js";
import { logger } from "../system/logger.js";
import { CliError } from "./exit.js";
import { plain, type Ui } from "./ui.js";

const EXAMPLES = `
Examples:
  $ remit serve
  $ remit serve --config /etc/remit/remit.yaml
  $ remit serve --check`;

export function addServe(program: Command, ui: Ui): void {
  program
    .command("serve")
    .description("answer decisions over HTTP, by the bundle and facts that a configuration names")
    .option("--config <file>", "the configuration", "remit.yaml")
    .option("--check", "read everything a start would read, say whether it is good, and change nothing")
    .addHelpText("after", EXAMPLES)
    .action(async (options: { config: string; check?: true }) => {
      if (!existsSync(options.config)) {
        throw new CliError(
          "invalid",
          `\`${options.config}\` does not exist`,
          "--config names it; docs/reference.md has its keys",
        );
      }
      const config = readConfig(options.config);
      if (options.check === true) {
        await checkService(config, system).catch(naming(config));
        ui.out(`${ui.paint("green", "good")}  ${options.config}`);
        return;
      }
      keepHeapSmall();
      const service = await startService(config, system, logger(system.clock)).catch(naming(config));
      await Promise.race([once(process, "SIGTERM"), once(process, "SIGINT")]);
      await service.stop();
    });
}

/** Of a file that can't be had, the key that names it says more than its path alone. */
function naming(config: Config): (cause: unknown) => never {
  return (cause) => {
    const file = cause instanceof Error && "path" in cause && typeof cause.path === "string" ? cause.path : null;
    const key = file === null ? null : keyOfFile(config, file);
    if (key === null) throw cause;
    throw new CliError("failed", `${key}: ${plain(cause as Error)}`, null, { cause });
  };
}

/**
 * What a service allocates is soon garbage, and little of it lives. Left to itself V8 lets the heap grow to several times that
 * before it looks; the memory then stays the process's. It looks once a half has been added.
 */
function keepHeapSmall(): void {
  setFlagsFromString("--heap-growing-percent=50");
}
