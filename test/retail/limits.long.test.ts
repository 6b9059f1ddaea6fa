import { expect } from "chai";
import { createPublicKey, generateKeyPairSync } from "node:crypto";
import { cpSync, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { loadBenchmark } from "../../demo/benchmark.js";
import { replayRetail } from "../../demo/retail.js";
import { runService } from "../../demo/service.js";
import { buildBundle } from "../../src/bundle/build.js";
import { terminal } from "../../src/cli/ui.js";
import { asset } from "../../src/system/paths.js";
import { compiler, COMPILER_BUILD_MS_MAX } from "../build/support.js";
import { skip } from "../skip.js";

/** Rules of the shop by which something is done once to an order, with their codes. */
const ONCE = [
  ["modify_address", "address_modified_before"],
  ["modify_payment", "payment_modified_before"],
  ["modify_items", "items_modified_before"],
  ["exchange", "exchanged_before"],
] as const;

/** The shop's purposes, in which the service itself counts what the shop's database otherwise says was done. */
function counted(purposes: string): string {
  const limits: string[] = [];
  let text = purposes;
  for (const [verb, code] of ONCE) {
    const block = new RegExp(`    - ${verb}: order\\n      when: \\{done: ${verb}\\}\\n((?:      .*\\n)+)`);
    const [whole = "", rest = ""] = block.exec(text) ?? [];
    expect(whole, code).to.include(code);
    text = text.replace(whole, "");
    limits.push(`    - ${verb}: order\n      each: id\n      at_most: 1\n${rest}`);
  }
  return text.replace("  allow:", `  limits:\n${limits.join("")}\n  allow:`);
}

describe("the shop's recordings, with one-time rules that the service counts", function () {
  this.timeout(COMPILER_BUILD_MS_MAX);

  it("are decided as the shop's policy says, each one", async function () {
    const benchmarks = join(process.env["REMIT_BENCHMARKS"] ?? asset("..", "shared", "benchmarks"), "tau-bench");
    if (!existsSync(benchmarks)) skip(this, "no benchmark data; REMIT_BENCHMARKS names its folder");
    const dir = mkdtempSync(join(tmpdir(), "remit-retail-"));
    try {
      const set = join(dir, "retail");
      cpSync(asset("rego", "policies", "retail"), set, { recursive: true });
      const purposes = join(set, "purposes.yaml");
      writeFileSync(purposes, counted(readFileSync(purposes, "utf8")));
      const { privateKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
      const { archive } = await buildBundle(await compiler(), {
        dir: set,
        key: privateKey,
        sequence: 1,
        expiresMs: null,
        builtMs: 0,
        commit: null,
      });
      const files = { path: join(dir, "retail.tar.gz"), keys: [join(dir, "retail.pem")] };
      writeFileSync(files.path, archive);
      writeFileSync(
        files.keys[0] ?? "",
        createPublicKey(privateKey.export({ type: "pkcs8", format: "pem" })).export({ type: "spki", format: "pem" }),
      );
      let told = "";
      const write = (text: string): boolean => ((told += text), true);
      const good = await replayRetail(loadBenchmark(benchmarks), benchmarks, terminal({ write }, { write }, {}), (options) =>
        runService({ ...options, files }),
      );
      expect(good, told).to.equal(true);
      console.log(told.slice(0, told.indexOf("The recordings once more")));
    } finally {
      rmSync(dir, { recursive: true, force: true });
    }
  });
});
