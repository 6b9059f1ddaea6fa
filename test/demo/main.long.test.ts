import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { fileURLToPath } from "node:url";
import { expect } from "chai";

const MAIN = fileURLToPath(new URL("../../demo/main.js", import.meta.url));

describe("make demo", function () {
  this.timeout(900_000);
  let folder: string;

  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), "remit-demo-test-"));
  });

  afterEach(() => {
    rmSync(folder, { recursive: true, force: true });
  });

  /** With no benchmark at hand, and a folder for temporary files that can be looked into. */
  async function ran(env: NodeJS.ProcessEnv = {}): Promise<{ code: number | null; out: string; err: string }> {
    const child = spawn(process.execPath, [MAIN], {
      env: { ...process.env, NODE_ENV: "", REMIT_BENCHMARKS: join(folder, "none"), TMPDIR: folder, ...env },
      stdio: ["ignore", "pipe", "pipe"],
    });
    const [out, err] = await Promise.all([text(child.stdout), text(child.stderr), once(child, "exit")]);
    return { code: child.exitCode, out, err };
  }

  it("tells the day, says aloud what it skips, and leaves neither keys nor records behind", async () => {
    const { code, out, err } = await ran();
    expect([code, err]).to.deep.equal([0, ""]);
    expect(out).to.contain("As the story says.").and.contain("Skipped: the replay of a shop's customer service");
    expect(readdirSync(folder)).to.deep.equal([]);
  });

  it("refuses its own keys where NODE_ENV says production", async () => {
    const { code, out, err } = await ran({ NODE_ENV: "production" });
    expect([code, out]).to.deep.equal([1, ""]);
    expect(err).to.match(/^error: key `remit-development-\w+`: made for development, refused in production\n$/);
    expect(readdirSync(folder)).to.deep.equal([]);
  });
});
