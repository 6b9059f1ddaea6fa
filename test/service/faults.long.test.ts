import { randomInt } from "node:crypto";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect } from "chai";
import { asset } from "../../src/system/paths.js";
import { temporaryDirectory } from "../audit/temporary.js";
import { buildShim } from "../disk/power.js";
import { Copies } from "../threats/copies.js";
import { cut, type Edit } from "../threats/cut.js";
import { Child, placeIn, sleep, type Json } from "./child.js";
import { killService, type KillsFound } from "./kills.js";
import { skip } from "../skip.js";

/** Of each row; more with `REMIT_KILLS=50`. */
const KILLS = Number(process.env["REMIT_KILLS"] ?? 3);
const SEED = Number(process.env["REMIT_SEED"] ?? randomInt(2 ** 31));

const KILLS_UNTIL_SEEN = 25;

/** One in so many of an operation fails, of what is below a folder. */
interface Fault {
  below: string;
  fail: string;
  errno: string;
  tolerated: RegExp;
}

const OF_STORE = { below: "/store/", tolerated: /^(503 store_unavailable|412 revision_stale)$/ };
// Segments, and not what is made of them.
const OF_LOG = { below: "/records/0", tolerated: /^503 log_unavailable$/ };
const FAULTS: Readonly<Record<string, Fault>> = {
  "syncs of its store": { ...OF_STORE, fail: "sync10+13", errno: "EIO" },
  "writes of its store": { ...OF_STORE, fail: "write50+97", errno: "ENOSPC" },
  "syncs of its log": { ...OF_LOG, fail: "sync10+29", errno: "EIO" },
  "writes of its log": { ...OF_LOG, fail: "write10+29", errno: "ENOSPC" },
};

const CARELESS: Readonly<Record<string, { fault: string; without: Edit; seen: RegExp }>> = {
  "a failed commit is acknowledged": {
    fault: "writes of its store",
    without: cut.call("store/file.js", "StoreFile.write", ["exec", "COMMIT"], 'try { this.#db.exec("COMMIT"); } catch {}'),
    // Or its connection stays within the transaction that failed, and no change is taken any more.
    seen: /^(lost|other: it isn't well again)/,
  },
  "a record that wasn't written is taken for one that was": {
    fault: "writes of its log",
    without: cut.text("audit/log/writer.js", "write", "fail(cause); return;", ""),
    seen: /^(lost|unrecorded)/,
  },
};

describe("a service whose disk fails", function () {
  this.timeout(3_600_000 + KILLS * 20_000);
  let shim: string;

  before(function () {
    shim = join(temporaryDirectory(), "disk.so");
    const why = buildShim(shim);
    if (why === null) return;
    skip(this, `faults of the disk: ${why}`);
  });

  /** Kills it under load while some of an operation fails. */
  function killed({ below, fail, errno, tolerated }: Fault, kills: number, main?: string): Promise<KillsFound> {
    const folder = temporaryDirectory();
    const during = join(folder, "faulty");
    const sections = {
      behavior: { enabled: false },
      facts: { durable_within_ms: 500 },
      log: { segment_bytes: 256 * 1024 },
    };
    const env = { LD_PRELOAD: shim, DISK_WATCH: `${folder}${below}`, DISK_FAIL: fail, DISK_ERRNO: errno, DISK_WHILE: during };
    const begin = (): void => {
      writeFileSync(during, "");
    };
    const end = (): void => {
      rmSync(during, { force: true });
    };
    const faults = { env, begin, end, tolerated };
    return killService(placeIn(folder, sections, main), { kills, seed: SEED, first: main !== undefined, faults });
  }

  for (const [what, fault] of Object.entries(FAULTS)) {
    it(`with ${fault.errno} in one of some ${what} keeps its promises, is well again by itself, and has after a kill what it acknowledged (REMIT_SEED=${SEED})`, async () => {
      const found = await killed(fault, KILLS);
      expect(found.violations).to.deep.equal([]);
      expect(found.refused, "nothing has failed").to.be.above(0);
    });
  }

  for (const [what, { fault, without, seen }] of Object.entries(CARELESS)) {
    it(`is seen to be careless where ${what}`, async () => {
      mkdirSync(asset(".work"), { recursive: true });
      const copy = mkdtempSync(join(asset(".work"), "careless-"));
      try {
        const main = new Copies(copy, [without]).path("cli/main.js");
        const { violations } = await killed(FAULTS[fault] as Fault, KILLS_UNTIL_SEEN, main);
        expect(violations.join("\n")).to.match(seen);
      } finally {
        rmSync(copy, { recursive: true, force: true });
      }
    });
  }

  it("with a slow disk under its store cuts off at once, says that it isn't durable yet, and makes it so", async () => {
    const folder = temporaryDirectory();
    const during = join(folder, "slow");
    const place = placeIn(folder, { facts: { durable_within_ms: 200 } });
    mkdirSync(join(folder, "store"), { recursive: true });
    const child = new Child(place, { LD_PRELOAD: shim, DISK_WATCH: `${folder}/store/`, DISK_SLOW_MS: "1500", DISK_WHILE: during });
    try {
      await child.ready();
      for (const id of ["cut-off", "other"]) {
        await child.told("POST", "/agents", { id, owner: "tests", purposes: ["customer_support"] });
        const expires = new Date(Date.now() + 3_600_000).toISOString();
        const subjects = { ticket: ["TCK-1"], customer: ["ada"] };
        await child.told("POST", "/tasks", {
          id: `T-${id}`,
          agent: id,
          purpose: "customer_support",
          subjects,
          expires,
        });
      }
      const proceeds = async (agent: string): Promise<unknown> => {
        const resource = { type: "customer", id: "ada" };
        const asked = { agent, task: `T-${agent}`, purpose: "customer_support", verb: "read", resource };
        return (await child.told("POST", "/decide", asked)).body["proceed"];
      };
      expect([await proceeds("cut-off"), await proceeds("other")]).to.deep.equal([true, true]);
      writeFileSync(during, "");
      const told = await child.told("POST", "/revocations", { scope: { agent: "cut-off" }, reason: "odd" });
      expect(told.body, told.text).to.include({ durable: false, problem: "store_unavailable", revision: null });
      expect([await proceeds("cut-off"), await proceeds("other")]).to.deep.equal([false, true]);
      const kept = async (): Promise<Json[]> =>
        ((await child.told("GET", "/facts/events?key=revocation/agent/cut-off")).body["items"] ?? []) as Json[];
      while ((await kept()).length === 0) await sleep(20);
      expect(await kept()).to.have.length(1);
    } finally {
      await child.kill();
    }
  });
});
