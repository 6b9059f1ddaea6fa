/** The real service on a loopback port, in a folder that is gone afterwards: its keys, facts and records are too. */
import { mkdtempSync, readFileSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { PassThrough } from "node:stream";
import { makeSandbox, type Sandbox } from "./sandbox.js";
import { startService, type Service } from "../src/service.js";
import { readConfig } from "../src/system/config.js";
import { system, type Clock } from "../src/system/index.js";
import { logger } from "../src/system/logger.js";
import { asset } from "../src/system/paths.js";

export interface RunningService extends Service, Pick<Sandbox, "token" | "agentToken"> {
  /** The folder of its records. */
  records: string;
  /** How many decisions are on record on the disk. */
  recorded: () => number;
}

export interface ServiceOptions {
  /** Name of one of the shipped bundles. */
  bundle: string;
  /** Files of another build of it. Left out: the shipped ones. */
  files?: { path: string; keys: string[] };
  /** What each caller may speak for. */
  callers: Record<string, { purposes: string[] }>;
  /** Whether it learns what is usual for each agent; it does, if unsaid. */
  learns?: boolean;
  clock: Clock;
}

/** @throws Error where it doesn't start, or isn't ready; nothing is left behind then */
export async function runService({ bundle, files, callers, learns = true, clock }: ServiceOptions): Promise<RunningService> {
  const dir = mkdtempSync(join(tmpdir(), "remit-demo-"));
  const remove = (): void => {
    rmSync(dir, { recursive: true, force: true });
  };
  const built = files ?? { path: asset("bundles", `${bundle}.tar.gz`), keys: [asset("bundles", `${bundle}.pub.pem`)] };
  const log = new PassThrough();
  let sandbox: Sandbox;
  let service: Service;
  try {
    sandbox = makeSandbox({ dir, bundle: { name: bundle, ...built }, port: 0, callers, learns, clock });
    service = await startService(readConfig(sandbox.config), { ...system, clock }, logger(clock, log));
  } catch (cause) {
    remove();
    throw cause;
  }
  const stop = async (): Promise<void> => {
    await service.stop();
    remove();
  };
  if (!(await fetch(`${service.url}/readyz`)).ok) {
    await stop();
    throw new Error(`the service is not ready:\n${String(log.read())}`);
  }
  const { token, agentToken } = sandbox;
  const records = join(dir, "records");
  return { ...service, token, agentToken, stop, records, recorded: () => decisionsIn(records) };
}

/** How many decisions are on record in `folder`. */
export function decisionsIn(folder: string): number {
  const lines = readdirSync(folder)
    .filter((file) => file.endsWith(".jsonl"))
    .map((file) => readFileSync(join(folder, file), "utf8"))
    .flatMap((text) => text.split("\n").filter((line) => line !== ""));
  return lines.filter((line) => (JSON.parse(line) as { kind: string }).kind === "decision").length;
}
