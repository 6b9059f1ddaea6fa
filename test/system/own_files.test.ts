import { execFileSync, spawnSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { expect } from "chai";
import { asset } from "../../src/system/paths.js";

/** Far more than it takes to start a process and read a file. */
const MS_MAX = 30_000;

describe("a FIFO in the place of one of the service's own files", function () {
  this.timeout(2 * MS_MAX);
  let folder: string;
  beforeEach(() => (folder = mkdtempSync(join(tmpdir(), "remit-fifo-"))));
  afterEach(() => {
    rmSync(folder, { recursive: true, force: true });
  });

  const REFUSED = /NOT_A_FILE|trust_unreadable/;
  const files: [name: string, module: string, call: string, end: RegExp][] = [
    ["trusted.json", "bundle/trusted_store.js", "TrustedStore.open(folder)", REFUSED],
    ["key.pem", "audit/log/log_keys.js", "logIdentity(folder, {})", REFUSED],
    ["checkpoint", "audit/log/log_keys.js", "logIdentity(folder, {})", REFUSED],
    ["facts_on_record.json", "service/facts_mark.js", "readMark(folder, 1)", /^no error/],
    ["lock", "system/lock.js", 'lock("it", folder + "/lock")', /^no error/],
  ];
  for (const [name, module, call, end] of files) {
    it(`holds nobody up: ${name}`, () => {
      execFileSync("mkfifo", [join(folder, name)]);
      // In a process of its own: what waits for a FIFO can't be stopped from within.
      const script =
        `const folder = ${JSON.stringify(folder)}; const { ${call.split(/[.(]/)[0] ?? ""} } = await import(` +
        `${JSON.stringify(pathToFileURL(asset("dist", "src", module)).href)});\n` +
        `try { await ${call}; console.log("no error"); } catch (error) { console.log(error.code, error.message); } process.exit();`;
      const { status, stdout, stderr } = spawnSync(process.execPath, ["--input-type=module", "-e", script], {
        timeout: MS_MAX,
        killSignal: "SIGKILL",
        encoding: "utf8",
      });
      expect([status, stderr], "it ends by itself").to.deep.equal([0, ""]);
      expect(stdout).to.match(end);
    });
  }
});
