/** Decides the calls of a guard in the guard's own process, by an engine that has bundle and facts from the service. */
import { readFileSync } from "node:fs";
import type { RemitClient } from "../../client/index.js";
import { NotReady, openEmbedded, type Embedded, type EmbeddedOptions } from "../../embedded.js";
import { readEmbedded } from "../../embedded/options.js";
import type { GuardConfig } from "../../guards/mcp/config.js";
import type { Remit } from "../../guards/mcp/remit.js";
import type { System } from "../../system/index.js";
import type { Logger } from "../../system/logger.js";
import { CliError } from "../exit.js";

type InProcess = NonNullable<GuardConfig["remit"]["in_process"]>;

/**
 * The options of an engine, as a guard's configuration has them.
 * @throws CliError for keys that can't be read, or are none
 */
export function engineOptions(
  { dir, bundle, facts, records, evaluation_fuel_max }: InProcess,
  service: NonNullable<EmbeddedOptions["service"]>,
): EmbeddedOptions {
  const options: EmbeddedOptions = {
    dir,
    bundle: { ...bundle, keys: bundle.keys.map(keyIn) },
    service,
    facts,
    records,
    ...(evaluation_fuel_max !== undefined && { evaluation_fuel_max }),
  };
  try {
    readEmbedded(options);
  } catch (cause) {
    if (!(cause instanceof TypeError)) throw cause;
    throw new CliError("invalid", `remit.in_process: ${cause.message}`, null, { cause });
  }
  return options;
}

function keyIn(file: string): string {
  try {
    return readFileSync(file, "utf8");
  } catch (cause) {
    throw new CliError("invalid", `\`${file}\` can't be read`, "`remit.in_process.bundle.keys` names it", { cause });
  }
}

/**
 * Resolves once it can decide.
 * @param service for tasks and notices, which are the service's own; closed with the engine
 * @throws CliError saying what is missing; Locked where another process has the folder
 */
export async function inProcess(
  options: EmbeddedOptions,
  service: RemitClient,
  { system, log }: { system: System; log: Logger },
): Promise<Remit> {
  let engine: Embedded;
  try {
    const report: EmbeddedOptions["report"] = (level, message, fields) => {
      log[level](message, fields);
    };
    engine = await openEmbedded({ ...options, report }, system);
  } catch (cause) {
    await service.close();
    if (!(cause instanceof NotReady)) throw cause;
    const hint = "a guard that decides in its own process takes bundle and facts from the service to begin with";
    throw new CliError("unavailable", cause.message, hint, { cause });
  }
  return {
    guard: (action, run, guarding) => engine.guard(action, run, guarding),
    createTask: async (task) => {
      const created = await service.createTask(task);
      await engine.reached(created.facts_revision);
      return created;
    },
    endTask: (id, reason) => service.endTask(id, reason),
    report: (notice) => service.report(notice),
    close: async () => {
      await engine.close();
      await service.close();
    },
  };
}
