/** The Python client's own tests, with types, in an environment of pinned packages that is made once. */
import { execFile } from "node:child_process";
import { join } from "node:path";
import { promisify } from "node:util";
import { expect } from "chai";
import { asset } from "../../src/system/paths.js";
import { skip } from "../skip.js";
import { environment, INSTALL_MS_MAX } from "./environment.js";

const FOLDER = asset("packages", "python");
const TESTS_MS_MAX = 900_000;
const run = promisify(execFile);

describe("the Python client", function () {
  this.timeout(INSTALL_MS_MAX + TESTS_MS_MAX);
  let python: string;
  before(function () {
    python = environment(join(FOLDER, "requirements-test.txt")) ?? skip(this, "no Python 3.11, or its packages can't be had");
  });

  const pytest = async (interpreter: string, ...files: string[]): Promise<string> => {
    const args = ["-m", "pytest", "-q", "--no-header", "-p", "no:cacheprovider", "-rs", ...files];
    const env = { ...process.env, NODE_BIN: process.execPath, PYTHONDONTWRITEBYTECODE: "1" };
    const { stdout } = await run(interpreter, args, { cwd: FOLDER, env, timeout: TESTS_MS_MAX, maxBuffer: 64 * 1024 * 1024 }).catch(
      (error: unknown) => expect.fail((error as { stdout: string }).stdout.slice(-8000)),
    );
    return stdout;
  };

  it("passes its tests, with the answers that the TypeScript client is tested with, and under chaos", async () => {
    const said = await pytest(python, "tests/test_answers.py", "tests/test_guard.py", "tests/test_flow.py", "tests/test_chaos.py");
    console.log(`    ${said.trimEnd().split("\n").at(-1)}`);
    expect(said)
      .to.match(/\d+ passed/)
      .and.not.to.match(/failed|skipped/);
  });

  it("has whole types", async () => {
    const { stdout } = await run(python, ["-m", "mypy"], { cwd: FOLDER });
    expect(stdout).to.contain("Success: no issues found");
  });

  it("has hooks of agent frameworks whose examples run", async function () {
    const interpreter = environment(join(FOLDER, "requirements-frameworks.txt"), join(FOLDER, "requirements-test.txt"));
    if (interpreter === null) skip(this, "the frameworks' packages can't be had");
    const said = await pytest(interpreter, "tests/test_frameworks.py");
    console.log(`    ${said.trimEnd().split("\n").at(-1)}`);
    expect(said).to.match(/6 passed/);
  });
});
