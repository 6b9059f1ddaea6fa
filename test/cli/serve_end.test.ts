import { execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { expect } from "chai";
import { temporaryDirectory } from "../audit/temporary.js";

const LINGERING = fileURLToPath(new URL("./lingering.js", import.meta.url));

describe("a service that has stopped", () => {
  async function ends(file: string): Promise<[code: number | null, signal: string | null]> {
    const child = spawn(process.execPath, [LINGERING, file], { stdio: "ignore" });
    return (await once(child, "exit")) as [number | null, string | null];
  }

  it("ends its process although a call of the system never returns", async () => {
    const fifo = join(temporaryDirectory(), "fifo");
    execFileSync("mkfifo", [fifo]);
    expect(await ends(fifo)).to.deep.equal([null, "SIGKILL"]);
  });

  it("ends it in order if nothing is under way", async () => {
    expect(await ends(join(temporaryDirectory(), "none"))).to.deep.equal([0, null]);
  });
});
