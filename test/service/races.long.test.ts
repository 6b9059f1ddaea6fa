import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { join } from "node:path";
import { expect } from "chai";
import { system } from "../../src/system/index.js";
import { asset } from "../../src/system/paths.js";
import { EVERY } from "../http/asking.js";
import { run } from "../http/running.js";
import { race } from "../revocation/races.js";
import { cut, type Edit } from "../threats/cut.js";
import { withEdits } from "../threats/threat.js";

/** Far more than it takes: the first violation ends a race. */
const RACES = 200_000;

/** Each of the two is enough if one node decides, so it takes both to lose: a wait in the middle of a decision, and no barrier. */
const WITHOUT: readonly Edit[] = [
  cut.value(
    "decision/decide.js",
    "decider",
    "committed",
    `async (question) => {
        const made = attempt(question);
        await new Promise((resolve) => timers.after(2, resolve));
        return committer.commit(made);
      }`,
  ),
  cut.call("service.js", "barrier", "landed", "Promise.resolve()"),
];

describe("a race of revocations against decisions, over sockets", function () {
  this.timeout(900_000);
  let copy = "";
  after(() => {
    rmSync(copy, { recursive: true, force: true });
  });

  it("is lost if a decision waits between its attempt and its record, and a revocation for no decision under way", async () => {
    mkdirSync(asset(".work"), { recursive: true });
    copy = mkdtempSync(join(asset(".work"), "careless-"));
    const { startService } = await withEdits(copy, WITHOUT)("service.js");
    const service = await run({ facts: { store: "store" } }, true, system, startService);
    try {
      const asked = { host: "127.0.0.1", port: service.port, token: EVERY, connections: 64, races: RACES };
      expect((await race(asked)).violations.join("\n")).to.contain("allowed after the acknowledgement");
    } finally {
      await service.stop();
    }
  });
});
