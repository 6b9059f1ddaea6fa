/** A whole service in a process of its own, on a shipped bundle. */
import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { copyFileSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { makeSandbox, type Sandbox } from "../../demo/sandbox.js";
import type { Scope } from "../../src/contract/index.js";
import { asset } from "../../src/system/paths.js";
import type { World } from "./world.js";

const START_MS = 20_000;
const MAIN = fileURLToPath(new URL("../../src/cli/main.js", import.meta.url));

/** Without those that revoke: the first hit would end the attack. */
export const ATTACKING: Scope[] = ["remit:decide", "remit:register", "remit:publish", "remit:audit"];

export interface Hosted {
  process: ChildProcess;
  port: number;
  /** Folder of the records. */
  records: string;
  token: Sandbox["token"];
  /** What its operational log has said. */
  said: () => string;
  stop: () => Promise<void>;
}

/** @param learns what is usual, and narrows whoever is denied so often: then little of it is asked of the policy */
export async function host(bundle: string, { agents, tasks }: Pick<World, "agents" | "tasks">, learns: boolean): Promise<Hosted> {
  const folder = mkdtempSync(join(tmpdir(), "remit-hostile-"));
  // Its own copy: what is published takes the file's place.
  const path = join(folder, `${bundle}.tar.gz`);
  copyFileSync(asset("bundles", `${bundle}.tar.gz`), path);
  const { config, token } = makeSandbox({
    dir: folder,
    bundle: { name: bundle, path, keys: [asset("bundles", `${bundle}.pub.pem`)] },
    facts: JSON.stringify({ agents, tasks }),
    port: 0,
    learns,
  });
  const started = await start(config);
  return {
    ...started,
    records: join(folder, "records"),
    token,
    async stop() {
      if (started.process.exitCode === null) {
        started.process.kill("SIGTERM");
        await once(started.process, "exit");
      }
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

async function start(config: string): Promise<Pick<Hosted, "process" | "port" | "said">> {
  const child = spawn(process.execPath, [MAIN, "serve", "--config", config], { stdio: ["ignore", "ignore", "pipe"] });
  let said = "";
  const url = await new Promise<string>((resolve, reject) => {
    const timer = setTimeout(() => {
      reject(new Error(`no start within ${START_MS} ms: ${said}`));
    }, START_MS);
    child.stderr.on("data", (chunk: Buffer) => {
      said += chunk.toString();
      const [, found] = /"url":"([^"]+)"/.exec(said) ?? [];
      if (found === undefined) return;
      clearTimeout(timer);
      resolve(found);
    });
    child.once("exit", (code) => {
      clearTimeout(timer);
      reject(new Error(`the service ended with ${String(code)}: ${said}`));
    });
  });
  return { process: child, port: Number(new URL(url).port), said: () => said };
}
