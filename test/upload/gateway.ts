/** A gateway that speaks S3 (versitygw) on loopback, where there is one: an implementation of signatures that isn't this project's. */
import { execFileSync, spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { mkdirSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { freePort } from "../../demo/ports.js";
import { KEYS, REGION } from "./storage.js";

const VERSION = "v1.8.0";
export const WANTED = `versitygw is not on PATH or in VERSITYGW_BIN: go install github.com/versity/versitygw/cmd/versitygw@${VERSION}`;

/** Returns the gateway's program; null if there is none. */
export function gatewayProgram(): string | null {
  const program = process.env["VERSITYGW_BIN"] ?? "versitygw";
  try {
    execFileSync(program, ["--version"], { stdio: "ignore" });
    return program;
  } catch {
    return null;
  }
}

export class Gateway {
  readonly root: string;
  url = "";
  #process: ChildProcess | null = null;

  /** @param root folder whose folders are buckets */
  constructor(root: string) {
    this.root = root;
  }

  async start(program: string): Promise<void> {
    mkdirSync(this.root, { recursive: true });
    const port = await freePort();
    this.url = `http://127.0.0.1:${port}`;
    const env = { ...process.env, ROOT_ACCESS_KEY: KEYS.id, ROOT_SECRET_KEY: KEYS.secret };
    const child = spawn(program, ["--port", `127.0.0.1:${port}`, "--region", REGION, "--quiet", "posix", this.root], {
      env,
      stdio: "ignore",
    });
    this.#process = child;
    process.once("exit", () => child.kill("SIGKILL"));
    for (let tries = 0; ; tries++) {
      try {
        await fetch(this.url);
        return;
      } catch (cause) {
        if (tries > 1000 || child.exitCode !== null) throw cause;
        await sleep(20);
      }
    }
  }

  async stop(): Promise<void> {
    const child = this.#process;
    if (child === null || child.exitCode !== null) return;
    child.kill("SIGKILL");
    await once(child, "exit");
  }
}
