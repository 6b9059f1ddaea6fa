/** The real service on a loopback port, in a folder that is gone afterwards: its keys, facts and records are too. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { PassThrough } from "node:stream";
import { stringify } from "yaml";
import { makeSandbox } from "../dev/sandbox.js";
import { startService, type Service } from "../src/service.js";
import { readConfig } from "../src/system/config.js";
import { system } from "../src/system/index.js";
import { logger } from "../src/system/logger.js";
import { asset } from "../src/system/paths.js";

export interface RunningService extends Service {
  /** An enforcement point's: it may ask for decisions, and register its conversations as tasks. */
  token: string;
}

/** @param bundle name of one of the shipped bundles */
export async function runService(bundle: string, agent: { id: string; purposes: string[] }): Promise<RunningService> {
  const dir = mkdtempSync(join(tmpdir(), "remit-demo-"));
  const sandbox = makeSandbox({
    dir,
    bundle: {
      name: bundle,
      path: asset("bundles", `${bundle}.tar.gz`),
      keys: [asset("bundles", `${bundle}.pub.pem`)],
    },
    facts: stringify({ agents: { [agent.id]: { owner: "retail-operations@example.com", purposes: agent.purposes } } }),
    port: 0,
  });
  const remove = (): void => {
    rmSync(dir, { recursive: true, force: true });
  };
  const log = new PassThrough();
  const service = await startService(readConfig(sandbox.config), system, logger(system.clock, log)).catch(
    (cause: unknown) => {
      remove();
      throw cause;
    },
  );
  const stop = async (): Promise<void> => {
    await service.stop();
    remove();
  };
  if (!(await fetch(`${service.url}/readyz`)).ok) {
    await stop();
    throw new Error(`the service is not ready:\n${String(log.read())}`);
  }
  return { url: service.url, token: sandbox.token("shop-gateway", ["remit:decide", "remit:register"]), stop };
}
