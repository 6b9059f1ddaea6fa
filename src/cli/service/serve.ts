/** `remit serve`: runs the service until it is told to stop. */
import { once } from "node:events";
import { setFlagsFromString } from "node:v8";
import type { Command } from "commander";
import { Problem } from "../../contract/index.js";
import { startService, type Service, type TakeOver } from "../../service.js";
import { checkPlaces, keyOfFile, readConfig, type Config } from "../../system/config.js";
import { system, systemTimers } from "../../system/index.js";
import { logger } from "../../system/logger.js";
import { YamlError } from "../../system/yaml.js";
import { checkConfigured, checkService } from "../../service/checks.js";
import { CliError } from "../exit.js";
import { standBy } from "./standby.js";
import { plain, sayJson, type Ui } from "../ui.js";

const LINGERS_MS = 2000;
const EXAMPLES = `
Examples:
  $ remit serve
  $ remit serve --config /etc/remit/remit.yaml
  $ remit serve --check
  $ remit serve --standby              # twice, on one machine: the second serves when the first is gone`;

/** System calls with which a service begins to listen. */
const LISTENING: ReadonlySet<string> = new Set(["listen", "getaddrinfo"]);

export function addServe(program: Command, ui: Ui): void {
  program
    .command("serve")
    .description("answer decisions over HTTP, by the bundle and facts that a configuration names")
    .option("--config <file>", "the configuration", "remit.yaml")
    .option("--check", "read everything a start would read, say whether it is good, and change nothing")
    .option("--json", "say what --check finds as JSON")
    .option("--standby", "while another process serves, be ready and wait until it is gone; then serve")
    .addHelpText("after", EXAMPLES)
    .action(async (options: { config: string; check?: true; json?: true; standby?: true }) => {
      if (options.check === true && options.standby === true)
        throw new CliError("usage", "--check reads and stops, and --standby waits", "give one of them");
      if (options.check === true) {
        const config = configIn(options.config);
        await naming(config, async () => {
          await checkService(config, system);
          checkPlaces(config, "all");
        });
        if (options.json === true) sayJson(ui, { ok: true, config: options.config });
        else ui.out(`${ui.paint("green", "good")}  ${options.config}`);
        return;
      }
      if (options.json === true) throw new CliError("usage", "--json is for --check", "what a service says is JSON");
      keepHeapSmall();
      if (options.standby === true) await serveInTurn(options.config);
      else {
        const service = await start(configIn(options.config));
        await ending();
        await service.stop();
        endAnyway();
      }
    });
}

function start(config: Config, taken: TakeOver | null = null, log = logger(system.clock)): Promise<Service> {
  return naming(config, () => {
    checkPlaces(config, "folders");
    return startService(config, system, log, taken);
  });
}

/** Runs as a standby. A signal during the start ends it in order after the start. */
async function serveInTurn(file: string): Promise<void> {
  const end = new AbortController();
  const told = ending().then(() => {
    end.abort();
  });
  const log = logger(system.clock);
  const service = await standBy({
    file,
    read: () => configIn(file),
    check: (config) =>
      naming(config, () => {
        checkPlaces(config, "folders");
        checkConfigured(config, system);
        return Promise.resolve();
      }),
    start: (config, taken) => start(config, taken, log),
    system,
    logger: log,
    ended: end.signal,
  });
  if (service === null) return;
  await told;
  await service.stop();
  endAnyway();
}

/**
 * A service that has stopped has nothing left to do. What still keeps its process alive then is a call of the system that doesn't return, such
 * as a read from a file server that is gone, and `process.exit` would wait for it too.
 */
export function endAnyway(): void {
  systemTimers.after(LINGERS_MS, () => process.kill(process.pid, "SIGKILL"));
}

function ending(): Promise<unknown> {
  return Promise.race([once(process, "SIGTERM"), once(process, "SIGINT")]);
}

/** @throws CliError where there is no file to read; YamlError */
function configIn(file: string): Config {
  try {
    return readConfig(file);
  } catch (cause) {
    if (cause instanceof YamlError) throw cause;
    throw new CliError("invalid", plain(cause as Error), "--config names it; docs/reference.md has its keys", {
      cause,
    });
  }
}

/** Adds the configuration's key to errors about a file or an address: it says more than the system does. */
async function naming<T>(config: Config, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (cause) {
    if (cause instanceof Problem && config.facts.file !== undefined) throw refusedFacts(config.facts.file, cause);
    const { path, syscall = "" } = cause as NodeJS.ErrnoException;
    const key = path !== undefined ? keyOfFile(config, path) : LISTENING.has(syscall) ? listenerOf(config, cause) : null;
    if (key === null) throw cause;
    throw new CliError("failed", `${key}: ${plain(cause as Error)}`, null, { cause });
  }
}

function refusedFacts(file: string, cause: Problem): CliError {
  const { line, field = "" } = cause.detail;
  const place = `\`${file}\`${line === undefined ? "" : ` line ${line}`}`;
  const message = `facts.file: ${place}: ${field === "" ? "" : `${field}: `}${cause.message}`;
  return new CliError("invalid", message, null, { cause, code: cause.code });
}

/** Returns the key of the listener that failed: the service's own, or that for Envoy. */
function listenerOf({ listen, envoy }: Config, cause: unknown): string {
  const { port, hostname } = cause as { port?: number; hostname?: string };
  const isOf = (one: Config["listen"]): boolean => port === one.port || hostname === one.host;
  return envoy?.grpc !== undefined && isOf(envoy.grpc) && !isOf(listen) ? "envoy.grpc" : "listen";
}

/**
 * Keeps the heap small. Most of what a service allocates is garbage soon. Left to itself V8 lets the heap grow to several times that
 * before it looks; the memory then stays the process's. It looks once a half has been added.
 */
function keepHeapSmall(): void {
  setFlagsFromString("--heap-growing-percent=50");
}
