import { expect } from "chai";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { readFileSync, readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { verifyLog } from "../../src/audit/tree/verify.js";
import { readLog, temporaryDirectory } from "./temporary.js";
import { openLog } from "./log_support.js";
import { signerOf } from "./tree/written.js";

describe("the record log", () => {
  const load = fileURLToPath(new URL("./load.js", import.meta.url));

  it("loses no acknowledged record over twenty kills under load", async function () {
    this.timeout(60_000);
    const directory = temporaryDirectory();
    const acknowledged: number[] = [];
    for (let kill = 0; kill < 20; kill++) {
      const firstId = (kill + 1) * 100_000;
      const child = spawn(process.execPath, [load, directory, String(firstId)], {
        stdio: ["ignore", "pipe", "inherit"],
      });
      let output = "";
      child.stdout.on("data", (chunk: Buffer) => {
        output += chunk.toString();
        // At a different point each time: of a group, of a segment, of the hand-over.
        if (output.length > 400 * (kill + 1)) child.kill("SIGKILL");
      });
      await once(child, "close");
      acknowledged.push(...output.split("\n").slice(0, -1).map(Number));
    }
    const log = await openLog(directory);
    await log.close();
    const found = readLog(directory);
    expect(found.map(({ seq }) => seq)).to.deep.equal(found.map((_, i) => i + 1));
    const ids = new Set(found.map(({ facts_revision }) => facts_revision));
    expect(acknowledged.filter((id) => !ids.has(id))).to.deep.equal([]);
    expect(acknowledged.length).to.be.greaterThan(5000);
  });

  it("reports no tile as altered that records had which are no longer there", async () => {
    const directory = temporaryDirectory();
    const options = { segment_bytes: 1_000_000, checkpoint_ms: 3_600_000 };
    const log = await openLog(directory, options);
    const checkpoint = readFileSync(join(directory, "checkpoint"));
    for (let id = 1; id <= 600; id++) await log.append(`"id":${id}`, '"v":2');
    await log.close();
    const segment = join(directory, "0000000000000001.jsonl");
    writeFileSync(segment, `${readFileSync(segment, "utf8").split("\n").slice(0, 300).join("\n")}\n`);
    writeFileSync(join(directory, "checkpoint"), checkpoint);
    await (await openLog(directory, options)).close();
    expect(readdirSync(join(directory, "tile", "0"))).to.deep.equal(["000"]);
    const { records, damage } = verifyLog({ folder: directory, keys: null, elsewhere: [] });
    expect({ records, damage: damage.filter(({ kind }) => kind === "tile_altered") }).to.deep.equal({ records: 300, damage: [] });
  });

  it("verifies without a key before its first record, which would name one", async () => {
    const directory = temporaryDirectory();
    await (await openLog(directory)).close();
    expect(verifyLog({ folder: directory, keys: null, elsewhere: [] }).damage).to.deep.equal([]);
    const stranger = verifyLog({ folder: directory, keys: [signerOf("somebody else's").verifier], elsewhere: [] });
    expect(stranger.damage.map(({ kind }) => kind)).to.deep.equal(["checkpoint_of_another_key"]);
  });
});
