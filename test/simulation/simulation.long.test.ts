import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { join } from "node:path";
import { expect } from "chai";
import { asset } from "../../src/system/paths.js";
import { cut, type Edit } from "../threats/cut.js";
import { wholeTree, withEdits } from "../threats/threat.js";
import { buildOf, type Build } from "./service.js";
import { simulate, type Counts } from "./simulate.js";

/** `REMIT_SEEDS` draws more. */
const SEEDS = Number(process.env["REMIT_SEEDS"] ?? 500);
/** `SIMULATION_SEED=17 make test F=simulation` replays one run and prints what happens in it. */
const REPLAYED = process.env["SIMULATION_SEED"];

/** What was broken on purpose, and must be found. */
const BROKEN: Readonly<Record<string, readonly Edit[]>> = {
  "an acknowledgement that doesn't wait for decisions under way": [cut.call("facts/restrictions.js", "narrow", "#barrier", "undefined")],
  "flights that a barrier doesn't see": [cut.call("http/flights.js", "begin", "add", "new Bag().add(response)")],
  "a wait between the attempt and the commit": [
    cut.value(
      "decision/decide.js",
      "decider",
      "decided",
      `async (question) => {
        const made = attempt(question);
        await new Promise((resolve) => timers.after(20, resolve));
        return committer.durable(committer.commit(made));
      }`,
    ),
  ],
  "a change that restores what was cut off meanwhile": [cut.call("facts/registry.js", "apply", "narrow", "value")],
  "a lift that overtakes a later revocation": [cut.always("facts/restrictions.js", "narrow", "#ledger")],
  "what isn't durable said to be": [
    cut.text(
      "facts/ledger.js",
      "#writeHeld",
      "return { revision: null, durable: false, problem: code };",
      "return { revision: null, durable: true, problem: null };",
    ),
  ],
  "what isn't durable never tried again": [cut.call("facts/ledger.js", "#retry", "inTurn")],
  "a log that isn't completed at start": [cut.call("facts/commands.js", "open", "complete")],
  "records that aren't owed when the log fails": [
    cut.text("facts/ledger.js", "#record", "this.#owed.push(change); this.#owed.sort", "this.#owed.sort"),
  ],
  "a grant used more often than it may be": [
    cut.never("facts/held_grants.js", "take", "#hasUse"),
    cut.text("facts/held_grants.js", "#state", 'this.#isUsedUp(grant) ? "used_up" : "live"', '"live"'),
  ],
  "uses that a start forgets": [cut.call("facts/commands.js", "Commands.open", "registry.count")],
  "uses counted from a time by a clock that jumps": [cut.always("audit/log/past.js", "usesSince", "first")],
  "a use that isn't given back": [cut.call("decision/commit.js", "Committer.durable", "giveBack")],
  "a record that is answered before it is synced": [cut.call("audit/log/segments.js", "append", "#files.sync")],
  "refused records that stay in the log": [
    cut.call("audit/log/segments.js", "#reopen", "truncate", "this.#offset = this.#files.size(file)"),
  ],
  "refused records that stay when the writer ends": [
    cut.value("audit/log/log.js", "#receive", "#durable", "this.#durable"),
    cut.value("audit/log/log.js", "#settle", "#durable", "this.#durable"),
  ],
  "tasks that are evaluated for themselves alone": [cut.never("decision/gather.js", "gather", "parent")],
  "a task's expiry": [cut.row("decision/floor.js", "FLOOR", "task_expired")],
  "an answer that outlives its task": [cut.call("decision/answer.js", "validUntil", ["min", "situation"], "until")],
  "a grant's expiry": [cut.never("facts/held_grants.js", "#state", "expires_ms")],
  "a token's revocation": [cut.never("decision/gather.js", "revocation", "caller", "task_proof")],
};

describe("a service under faults, simulated from a seed", function () {
  this.timeout(600_000);
  let folder: string;
  let build: Build;
  before(async () => {
    mkdirSync(asset(".work"), { recursive: true });
    folder = mkdtempSync(join(asset(".work"), "simulation-"));
    build = await buildOf(wholeTree());
  });
  after(() => {
    rmSync(folder, { recursive: true, force: true });
  });

  if (REPLAYED !== undefined) {
    it(`keeps its promises from seed ${REPLAYED}`, async () => {
      const tell = (line: string): void => {
        console.log(line);
      };
      expect((await simulate(build, Number(REPLAYED), folder, tell)).violation).to.equal(null);
    });
    return;
  }

  it(`keeps its promises from ${SEEDS} seeds`, async () => {
    const sums: Counts = { allowed: 0, denied: 0, refused: 0, changed: 0, narrowed: 0, held: 0, used: 0, crashes: 0, jumps: 0 };
    for (let seed = 1; seed <= SEEDS; seed++) {
      const { violation, counts } = await simulate(build, seed, folder);
      expect(violation, `SIMULATION_SEED=${seed}`).to.equal(null);
      for (const name of Object.keys(sums) as (keyof Counts)[]) sums[name] += counts[name];
    }
    // All of it has happened, and often.
    expect(Object.entries(sums).filter(([, count]) => count < SEEDS / 2)).to.deep.equal([]);
  });

  it("is the same run again from the same seed", async () => {
    for (const seed of [1, 2, 3]) {
      const [one, two]: string[][] = [[], []];
      for (const told of [one, two]) await simulate(build, seed, folder, (line) => told?.push(line));
      expect(one).to.deep.equal(two);
    }
  });

  for (const [index, [what, edits]] of Object.entries(BROKEN).entries()) {
    it(`finds ${what}`, async () => {
      const broken = await buildOf(withEdits(join(folder, String(index)), edits));
      let found: string | null = null;
      let seed = 0;
      // A service that doesn't take up its own log again has been found as well.
      const outcome = (): Promise<string | null> => simulate(broken, ++seed, folder).then(({ violation }) => violation, String);
      while (found === null && seed < SEEDS) found = await outcome();
      expect(found, "no seed finds it").to.be.a("string");
    });
  }
});
