/** The record log and other processes: one that is killed under load, one that has the directory. */
import { expect } from "chai";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";
import { openLog } from "./log_support.js";
import { readLog, temporaryDirectory } from "./temporary.js";

const LOAD = fileURLToPath(new URL("./load.js", import.meta.url));

describe("the record log and other processes", () => {
  it("loses no acknowledged record over twenty kills under load", async () => {
    const directory = temporaryDirectory();
    const acknowledged: number[] = [];
    for (let kill = 0; kill < 20; kill++) {
      const firstId = (kill + 1) * 100_000;
      const child = spawn(process.execPath, [LOAD, directory, String(firstId)], {
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

  it("refuses a directory that another living process has open", async () => {
    const directory = temporaryDirectory();
    const child = spawn(process.execPath, [LOAD, directory], { stdio: ["ignore", "pipe", "inherit"] });
    await once(child.stdout, "data");
    const { name, message } = await openLog(directory).then(
      () => new Error("it was opened"),
      (cause: unknown) => cause as Error,
    );
    child.kill("SIGKILL");
    await once(child, "exit");
    expect(name).to.equal("Locked");
    expect(message).to.contain(String(child.pid));
    await (await openLog(directory)).close();
  });
});
