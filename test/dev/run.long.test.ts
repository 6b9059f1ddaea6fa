import { spawn, spawnSync, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect } from "chai";
import { freePort } from "../../bench/processes.js";
import { RUN, LAST_LINE } from "./run_support.js";

describe("make run", function () {
  this.timeout(60_000);
  let home: string;
  let port: number;
  let running: ChildProcess[];

  beforeEach(async () => {
    home = mkdtempSync(join(tmpdir(), "remit-run-test-"));
    port = await freePort();
    running = [];
  });

  afterEach(async () => {
    for (const child of running) await stop(child);
    rmSync(home, { recursive: true, force: true });
  });

  const environment = (more: NodeJS.ProcessEnv = {}): NodeJS.ProcessEnv => ({
    ...process.env,
    NODE_ENV: "",
    XDG_DATA_HOME: home,
    PORT: String(port),
    ...more,
  });

  /** What it prints until it is ready. */
  async function start(): Promise<{ child: ChildProcess; said: string }> {
    const child = spawn(process.execPath, [RUN], { env: environment(), stdio: ["ignore", "pipe", "pipe"] });
    running.push(child);
    let said = "";
    child.stderr.resume();
    for await (const chunk of child.stdout) {
      said += String(chunk);
      if (LAST_LINE.test(said)) return { child, said };
    }
    throw new Error(`it ended: ${said}`);
  }

  async function stop(child: ChildProcess): Promise<number | null> {
    if (child.exitCode === null && child.signalCode === null) {
      child.kill("SIGTERM");
      await once(child, "exit");
    }
    return child.exitCode;
  }

  /** Where it ends at once: its exit code, and what it says. */
  function refused(more: NodeJS.ProcessEnv): { code: number | null; err: string } {
    const { status, stderr } = spawnSync(process.execPath, [RUN], { env: environment(more), encoding: "utf8" });
    return { code: status, err: stderr };
  }

  it("refuses a port that is none, or that something answers at", async () => {
    for (const none of ["0", "65536", "1.5", "http"]) {
      expect(refused({ PORT: none }), none)
        .to.include({ code: 1 })
        .and.property("err")
        .contain("is no port");
    }
    await start();
    expect(refused({})).to.include({ code: 1 }).and.property("err").contain("something answers at port");
  });
});
