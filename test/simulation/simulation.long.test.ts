import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { join } from "node:path";
import { expect } from "chai";
import { asset } from "../../src/system/paths.js";
import { wholeTree, withEdits, type Edit } from "../threats/threat.js";
import { buildOf, type Build } from "./service.js";
import { simulate, type Counts } from "./simulate.js";

const SEEDS = 2000;
/** `SIMULATION_SEED=17 make test F=simulation` replays one run and prints what happens in it. */
const REPLAYED = process.env["SIMULATION_SEED"];

/** What was broken on purpose, and must be found. */
const BROKEN: Readonly<Record<string, readonly Edit[]>> = {
  "an acknowledgement that doesn't wait for decisions under way": [{ file: "facts/holding.js", from: "await clear;", to: "" }],
  "flights that a barrier doesn't see": [
    { file: "http/flights.js", from: "generation.open.add(response);", to: "new Bag().add(response);" },
  ],
  "a decision that isn't held against facts that moved under it": [{ file: "decision/gather.js", from: "if (a === b)", to: "if (true)" }],
  "facts that only count as moved when they have a revision": [
    {
      file: "decision/decide.js",
      from: "facts.version === concluded.gathered.version",
      to: "facts.revision === concluded.gathered.revision",
    },
  ],
  "a change that restores what was cut off meanwhile": [
    { file: "facts/registry.js", from: "const narrowed = held.narrow(value);", to: "const narrowed = value;" },
  ],
  "a lift that overtakes a later revocation": [{ file: "facts/holding.js", from: "&& !this.#ledger.isChanging(turnOf(key))", to: "" }],
  "what isn't durable said to be": [
    {
      file: "facts/ledger.js",
      from: "return { revision: null, durable: false, problem: code };",
      to: "return { revision: null, durable: true, problem: null };",
    },
  ],
  "what isn't durable never tried again": [
    { file: "facts/ledger.js", from: "await this.inTurn(turnOf(key), () => this.#writeHeld(key, true));", to: ";" },
  ],
  "a log that isn't completed at start": [{ file: "facts/commands.js", from: "await ledger.complete(deps.past.revision);", to: "" }],
  "records that aren't owed when the log fails": [
    { file: "facts/ledger.js", from: "this.#owed.push(change);\n                this.#owed.sort", to: "this.#owed.sort" },
  ],
  "a grant used more often than it may be": [{ file: "facts/held_grants.js", from: /\|\|\s+usesLeft\(grant\) === 0/, to: "" }],
  "uses that a start forgets": [{ file: "facts/commands.js", from: "registry.count(ids);", to: ";" }],
  "uses counted from a time by a clock that jumps": [{ file: "audit/past.js", from: "if (first < since)", to: "if (true)" }],
  "a use that isn't given back": [{ file: "decision/decide.js", from: "facts.giveBack(uses);\n        if (written", to: "if (written" }],
  "a record that is answered before it is synced": [
    { file: "audit/segments.js", from: "this.#files.sync(this.#file);\n        this.#offset +=", to: "this.#offset +=" },
  ],
  "refused records that stay in the log": [
    { file: "audit/segments.js", from: "this.#files.truncate(file, this.#offset);", to: "this.#offset = this.#files.size(file);" },
  ],
  "refused records that stay when the writer ends": [
    { file: "audit/log.js", from: /this\.#durable = message\.seq;/, to: "" },
    { file: "audit/log.js", from: "this.#durable = durable;", to: "" },
  ],
  "tasks that are evaluated for themselves alone": [
    { file: "decision/gather.js", from: "task !== undefined && task.parent !== null;", to: "false;" },
  ],
  "a task's expiry": [{ file: "decision/floor.js", from: /\["task_expired", .*\],/, to: "" }],
  "an answer that outlives its task": [{ file: "decision/decide.js", from: "situation.task?.expires_ms ?? Infinity", to: "Infinity" }],
  "a grant's expiry": [{ file: "facts/held_grants.js", from: "if (now_ms >= expires_ms)", to: "if (false)" }],
  "a token's revocation": [
    { file: "decision/gather.js", from: "isRevoked(caller) || isRevoked(agent_proof) || isRevoked(task_proof)", to: "false" },
  ],
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
