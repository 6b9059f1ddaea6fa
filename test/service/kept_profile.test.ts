import { existsSync, mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect } from "chai";
import { ROLLED_BACK } from "../../src/audit/fold.js";
import { segmentName } from "../../src/audit/segments.js";
import { NOTHING_ODD, aroundSeq, type Act, type ActOutcome, type Assessment } from "../../src/contract/index.js";
import { system } from "../../src/system/index.js";
import {
  RecordedProfile,
  type KeptEvents,
  type KeptLog,
  type Learner,
  type Learners,
} from "../../src/wiring/kept_profile.js";
import { temporaryDirectory } from "../audit/temporary.js";
import { sleep } from "./child.js";

/** Knows by their ids, in order, the acts that it was told; that is its snapshot too. */
class ListLearner implements Learner {
  constructor(readonly told: string[] = []) {}

  assess(): Assessment {
    return this.told.length === 0 ? NOTHING_ODD : { ...NOTHING_ODD, risk: this.told.length };
  }

  version(): number {
    return this.told.length;
  }

  learn(act: Act, outcome: ActOutcome): void {
    this.told.push(`${act.id ?? ""} ${outcome}`);
  }

  markExpected(act: Act): void {
    this.told.push(`${act.id ?? ""} expected`);
  }

  forgive(agent: string): void {
    this.told.push(`${agent} forgiven`);
  }

  rollBack(agent: string, to_ms: number): void {
    this.told.push(`${agent} back to ${to_ms}`);
  }

  checkpointsOf(): number[] {
    return [1000];
  }

  riskOf(): number {
    return this.told.length;
  }

  beginSnapshot(seq: number): { seq: number; slice: () => Uint8Array | null } {
    const pieces: Uint8Array[] = [Buffer.from(JSON.stringify({ seq, told: this.told }))];
    return { seq, slice: () => pieces.shift() ?? null };
  }
}

const LEARNERS: Learners = {
  begin: () => new ListLearner(),
  restore: (bytes) => {
    const { seq, told } = JSON.parse(Buffer.from(bytes).toString()) as { seq: number; told: string[] };
    return { profile: new ListLearner(told), seq };
  },
};

const act = (id: string): Act => ({
  agent: "a-1", version: "1", purpose: "p", verb: "read", verb_class: "read", type: "note", id, task: null,
  relation: "unknown", session: null, source: null, granted: false, amount: 1, time_ms: 1000, offset_ms: 0,
}); // prettier-ignore

/** The text of a record of this act, but for its `seq`. */
const recordOf = (id: string): { before: string; after: string } => {
  const request = { agent: "a-1", purpose: "p", task: null, verb: "read", resource: { type: "note", id }, context: { session: null, source: null } }; // prettier-ignore
  const input = { facts: { agent: { version: "1" }, behavior: NOTHING_ODD, time: { ms: 1000 } }, request };
  return {
    before: `"act":{"class":"read","relation":"unknown"},"answer":{"decision":"allow","reasons":[]},"input":${JSON.stringify(input)},"kind":"decision"`,
    after: '"time":"1970-01-01T00:00:01.000Z","v":2',
  };
};
const restored = (agent: string, caller: string): { before: string; after: string } => ({
  before: `"agent":{"id":"${agent}"},"caller":"${caller}","change":"agent_restored","kind":"facts"`,
  after: '"time":"1970-01-01T00:00:01.000Z","v":2',
});

/** A log whose disk can be made to fail: what it has taken and isn't on disk is then no more. */
class FakeLog implements KeptLog {
  seq = 0;
  durable = 0;
  healthy = true;
  #waiting: { line: string; resolve: () => void; reject: (cause: Error) => void }[] = [];

  constructor(readonly folder: string) {
    mkdirSync(folder, { recursive: true });
    writeFileSync(join(folder, segmentName(1)), "");
  }

  append(before: string, after: string): Promise<void> {
    if (!this.healthy) return Promise.reject(new Error("log_unavailable"));
    const line = `{${before},"seq":${++this.seq},${after}}\n`;
    return new Promise((resolve, reject) => void this.#waiting.push({ line, resolve, reject }));
  }

  sync(): void {
    for (const { line, resolve } of this.#waiting.splice(0)) {
      writeFileSync(join(this.folder, segmentName(1)), line, { flag: "a" });
      this.durable++;
      resolve();
    }
  }

  fail(): void {
    this.healthy = false;
    for (const { reject } of this.#waiting.splice(0)) reject(new Error("EIO"));
  }

  recover(): void {
    this.seq = this.durable;
    this.healthy = true;
  }
}

describe("the profile that a service keeps", () => {
  const said: string[] = [];
  const events: KeptEvents = {
    ready: (seq, snapshot) => said.push(`ready ${seq} ${snapshot}`),
    refused: () => said.push("refused"),
    forgotten: (seq) => said.push(`forgotten ${seq}`),
    unreadable: (seq) => said.push(`unreadable ${seq}`),
    unsaved: () => said.push("unsaved"),
  };
  let [log, file] = [new FakeLog(temporaryDirectory()), ""];
  beforeEach(() => {
    log = new FakeLog(temporaryDirectory());
    file = join(log.folder, "behavior", "profile");
    said.length = 0;
  });
  const open = (): Promise<RecordedProfile> =>
    RecordedProfile.open(LEARNERS, log, system.timers, { folder: log.folder, file, snapshot_ms: 3_600_000 }, events);
  /** As a decision does it: handed over, and learned in the same turn. */
  const decide = (profile: RecordedProfile, id: string): Promise<void> => {
    const { before, after } = recordOf(id);
    const recorded = log.append(before, after);
    profile.learn(act(id), "allow");
    return recorded.catch(() => {
      profile.unrecorded();
    });
  };
  const until = async (is: () => boolean): Promise<void> => {
    while (!is()) await sleep(5);
  };
  /** Everything that it knows, by what it keeps. */
  async function knownBy(profile: RecordedProfile): Promise<number> {
    await until(() => profile.ready);
    return profile.riskOf("a-1", 0);
  }

  it("knows what was decided at once, and what is in the records at a start", async () => {
    const profile = await open();
    const [first, second] = [decide(profile, "n-1"), decide(profile, "n-2")];
    expect(profile.assess(act("n-3")).risk, "before either is on disk").to.equal(2);
    log.sync();
    await Promise.all([first, second]);
    expect(await knownBy(await open())).to.equal(2);
    expect(said).to.deep.equal(["ready 0 0", "ready 2 0"]);
  });

  it("goes on from its snapshot, and reads only what came after", async () => {
    const profile = await open();
    void decide(profile, "n-1");
    log.sync();
    await profile.save();
    void decide(profile, "n-2");
    log.sync();
    expect(await knownBy(await open())).to.equal(2);
    expect(said.at(-1)).to.equal("ready 2 1");
  });

  it("forgets what didn't reach the disk, says nothing until it has, and then knows what is there", async () => {
    const profile = await open();
    void decide(profile, "n-1");
    log.sync();
    const version = profile.version("a-1");
    const lost = decide(profile, "n-2");
    log.fail();
    await lost;
    expect(profile.ready).to.equal(false);
    expect(profile.assess(act("n-3"))).to.equal(NOTHING_ODD);
    expect(profile.riskOf("a-1", 0), "not taken for calm").to.equal(100);
    expect(profile.version("a-1")).to.be.greaterThan(version + 1);
    await sleep(50);
    expect(profile.ready, "while the log is down").to.equal(false);
    log.recover();
    expect(await knownBy(profile)).to.equal(1);
    void decide(profile, "n-4");
    const { before, after } = aroundSeq({ kind: "admin", action: ROLLED_BACK, caller: "ada", detail: { agent: "a-1", to: "1970-01-01T00:00:01.000Z" }, time: "1970-01-01T00:00:02.000Z", v: 2 }); // prettier-ignore
    void profile.log.append(before, after);
    expect(profile.riskOf("a-1", 0), "habits put back").to.equal(3);
    log.sync();
    expect(await knownBy(await open())).to.equal(3);
  });

  it("keeps no snapshot of what isn't on disk, and none of what never came there", async () => {
    const profile = await open();
    const lost = decide(profile, "n-1");
    const saving = profile.save();
    await sleep(50);
    expect(existsSync(file), "not on disk yet").to.equal(false);
    log.fail();
    await lost;
    await saving;
    expect([existsSync(file), existsSync(`${file}.new`)]).to.deep.equal([false, false]);
    log.recover();
    await until(() => profile.ready);
    // Another record has the number now.
    void decide(profile, "n-2");
    log.sync();
    await profile.save();
    expect(await knownBy(await open())).to.equal(1);
  });

  it("refuses a snapshot that is ahead of the log, and reads the records", async () => {
    const profile = await open();
    for (const id of ["n-1", "n-2"]) void decide(profile, id);
    log.sync();
    await profile.save();
    log = new FakeLog(temporaryDirectory());
    void log.append(recordOf("n-9").before, recordOf("n-9").after);
    log.sync();
    expect(await knownBy(await open())).to.equal(1);
    expect(said.at(-2)).to.equal("refused");
  });

  it("is told by people at the place of their record, live as from the log", async () => {
    const profile = await open();
    void decide(profile, "n-1");
    for (const [agent, caller] of [
      ["a-1", "ada"],
      ["a-1", "remit"],
    ] as const) {
      // prettier-ignore
      const { before, after } = restored(agent, caller);
      void profile.log.append(before, after);
    }
    expect(profile.riskOf("a-1", 0), "what the service gives back itself tells nothing").to.equal(2);
    const { before, after } = aroundSeq({ kind: "admin", action: ROLLED_BACK, caller: "ada", detail: { agent: "a-1", to: "1970-01-01T00:00:01.000Z" }, time: "1970-01-01T00:00:02.000Z", v: 2 }); // prettier-ignore
    void profile.log.append(before, after);
    expect(profile.riskOf("a-1", 0), "habits put back").to.equal(3);
    log.sync();
    expect(await knownBy(await open())).to.equal(3);
  });

  it("forgets what people said where that didn't reach the disk either", async () => {
    const profile = await open();
    const { before, after } = restored("a-1", "ada");
    const told = profile.log.append(before, after).catch((cause: unknown) => cause);
    log.fail();
    expect(await told).to.be.instanceOf(Error);
    expect(profile.ready).to.equal(false);
    log.recover();
    expect(await knownBy(profile)).to.equal(0);
  });

  it("passes over a record that can't be read, and says so", async () => {
    const profile = await open();
    void decide(profile, "n-1");
    void log.append('"act":{"class":"read","relation":"unknown"},"kind":"decision"', '"v":2');
    void log.append('"act":{}}}}}', '"v":2');
    void decide(profile, "n-2");
    log.sync();
    expect(await knownBy(await open())).to.equal(2);
    expect(said).to.include("unreadable 2").and.include("unreadable 3");
  });

  it("puts what it knows on disk when it is closed", async () => {
    const profile = await open();
    void decide(profile, "n-1");
    log.sync();
    await profile.close();
    expect(await knownBy(await open())).to.equal(1);
    expect(said.at(-1)).to.equal("ready 1 1");
  });
});
