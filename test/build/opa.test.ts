import { chmod, mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect } from "chai";
import { findOpa, OpaUnavailable, pinnedOpaVersion, runOpa } from "../../src/bundle/opa.js";
import { compiler, COMPILER_BUILD_MS_MAX } from "./support.js";

describe("finding the compiler", function () {
  this.timeout(COMPILER_BUILD_MS_MAX);
  let folder = "";

  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), "remit-opa-"));
  });

  afterEach(async () => {
    await rm(folder, { recursive: true, force: true });
  });

  /** A program that says it is this version. */
  async function pretend(path: string, version: string): Promise<string> {
    await mkdir(join(path, ".."), { recursive: true });
    await writeFile(path, `#!/bin/sh\necho 'Version: ${version}'\n`);
    await chmod(path, 0o755);
    return path;
  }

  async function failure(env: NodeJS.ProcessEnv): Promise<OpaUnavailable> {
    try {
      await findOpa(env);
    } catch (error) {
      if (error instanceof OpaUnavailable) return error;
      throw error;
    }
    throw new Error("it was found");
  }

  it("takes OPA_BIN before all else", async () => {
    const path = await pretend(join(folder, "chosen"), pinnedOpaVersion());
    await pretend(join(folder, "bin", "opa"), pinnedOpaVersion());
    expect(await findOpa({ OPA_BIN: path, PATH: `${join(folder, "bin")}:/usr/bin:/bin` })).to.deep.equal({
      path,
      version: pinnedOpaVersion(),
    });
  });

  it("refuses an OPA_BIN of another version rather than looking further", async () => {
    const OPA_BIN = await pretend(join(folder, "chosen"), "1.0.0");
    await pretend(join(folder, "bin", "opa"), pinnedOpaVersion());
    const error = await failure({ OPA_BIN, PATH: `${join(folder, "bin")}:/usr/bin:/bin` });
    expect(error.message).to.include("is OPA 1.0.0").and.include(pinnedOpaVersion());
    expect(error.hint).to.not.equal("");
  });

  it("refuses an OPA_BIN that doesn't run", async () => {
    expect((await failure({ OPA_BIN: join(folder, "absent") })).message).to.include("not an OPA that runs");
  });

  it("passes by another version on PATH, and takes the cache's", async () => {
    await pretend(join(folder, "bin", "opa"), "1.0.0");
    const cached = await pretend(join(folder, "cache", "remit", `opa-${pinnedOpaVersion()}`), pinnedOpaVersion());
    const env = { PATH: `${join(folder, "bin")}:/usr/bin:/bin`, XDG_CACHE_HOME: join(folder, "cache") };
    expect((await findOpa(env)).path).to.equal(cached);
  });

  it("is of the version that go.mod pins", async () => {
    const opa = await compiler();
    expect((await runOpa(opa, ["version"], ".")).stdout).to.include(`Version: ${pinnedOpaVersion()}`);
  });
});
