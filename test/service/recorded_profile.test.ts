import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect } from "chai";
import { ROLLED_BACK } from "../../src/audit/log/fold.js";
import { segmentName } from "../../src/audit/log/segments.js";
import {
  NOTHING_ODD,
  aroundSeq,
  type Act,
  type ActOutcome,
  type Assessment,
  type Calibration,
  type SharedOddity,
  type VerdictCounts,
} from "../../src/contract/index.js";
import { system } from "../../src/system/index.js";
import { RecordedProfile, type KeptEvents, type LearnedProfile, type Learner, type Learners } from "../../src/service/recorded_profile.js";
import { ProfileAhead } from "../../src/service/profile_ahead.js";
import { temporaryDirectory } from "../audit/temporary.js";
import { sleep } from "./child.js";
import { FakeLog } from "./fake_log.js";

const SHARED: SharedOddity = {
  ...{ purpose: "support", kind: "version", value: "2", channel: "what", type: "payroll", agents: ["a-1"] },
  ...{ count: 3, active: 5, expected: 0.1, decades: 6 },
};

/** Knows by their ids, in order, the acts that it was told; that is its snapshot too. */
class ListLearner implements Learner {
  readonly agents = new Map<string, never>();
  readonly followed = new Map<string, number>();
  constructor(readonly told: string[] = []) {}

  assess(): Assessment {
    return this.told.length === 0 ? NOTHING_ODD : { ...NOTHING_ODD, risk: this.told.length };
  }

  version(): number {
    return this.told.length;
  }

  learn(act: Act, outcome: ActOutcome): SharedOddity | null {
    this.told.push(`${act.id ?? ""} ${outcome}`);
    return act.id === "shared" ? SHARED : null;
  }

  markExpected(act: Act): void {
    this.told.push(`${act.id ?? ""} expected`);
  }

  calibrate(purpose: string, { expected, misuse }: VerdictCounts): void {
    this.told.push(`${purpose} ${expected} ${misuse}`);
  }

  calibrationOf(): Calibration {
    return { expected: 0, misuse: 0, score: 0 };
  }

  forgive(agent: string): void {
    this.told.push(`${agent} forgiven`);
  }

  rollBack(agent: string, to_ms: number): void {
    this.told.push(`${agent} back to ${to_ms}`);
  }

  portrait(): null {
    return null;
  }

  lastOf(): number {
    return 0;
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
  agent: "a-1",
  version: "1",
  owner: "",
  purpose: "p",
  verb: "read",
  verb_class: "read",
  type: "note",
  id,
  task: null,
  relation: "unknown",
  session: null,
  source: null,
  granted: false,
  amount: 1,
  time_ms: 1000,
  offset_ms: 0,
});

/** The text of a record of this act, but for its `seq`. */
const recordOf = (id: string): { before: string; after: string } => {
  const request = {
    agent: "a-1",
    purpose: "p",
    task: null,
    verb: "read",
    resource: { type: "note", id },
    context: { session: null, source: null },
  };
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

const judged = (change: string, calibrates?: object): { before: string; after: string } => ({
  before: `"caller":"eve","change":"finding_${change}","finding":${JSON.stringify({ calibrates, id: "F-1", teaches: [] })},"kind":"facts"`,
  after: '"time":"1970-01-01T00:00:01.000Z","v":2',
});

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

  it("tells once what agents have in common, and not again what the records told before", async () => {
    const together: string[] = [];
    const listening = async (): Promise<RecordedProfile> => {
      const profile = await open();
      profile.whenShared(({ agents }) => together.push(...agents));
      return profile;
    };
    const profile = await listening();
    void decide(profile, "n-1");
    void decide(profile, "shared");
    log.sync();
    expect(together).to.deep.equal(["a-1"]);
    await listening();
    expect(together).to.deep.equal(["a-1"]);
    const elsewhere = { of: "act", act: act("shared"), outcome: "allow" } as const;
    profile.follow(elsewhere, false);
    expect(together, "what was long over when it was read of").to.deep.equal(["a-1"]);
    profile.follow(elsewhere);
    expect(together).to.deep.equal(["a-1", "a-1"]);
  });

  it("learns a verdict that moves thresholds at its place among the records, now and after a start, and no other", async () => {
    const profile = await open();
    const [up, down] = [
      { purpose: "support", expected: 1, misuse: 0 },
      { purpose: "support", expected: 0, misuse: 1 },
    ];
    const back = { purpose: "support", expected: -1, misuse: 0 };
    const records = [judged("expected", up), judged("misuse", down), judged("reopened", back), judged("misuse"), judged("policy_gap", up)];
    for (const { before, after } of records) void profile.log.append(before, after);
    log.sync();
    expect(profile.assess(act("n")).risk).to.equal(3);
    expect(await knownBy(await open())).to.equal(3);
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

  it("keeps one after so many records, of all that the log took in the turn in which it was due, and the next as far on", async () => {
    const profile = await open();
    const kept = (): { seq: number; told: string[] } => JSON.parse(readFileSync(file, "utf8")) as ReturnType<typeof kept>;
    const decideAll = (count: number): void => {
      const ids = Array.from({ length: count }, (_, i) => `n-${i}`);
      // Handed over first, all of them, and then learned: as what an engine hands in.
      for (const { before, after } of ids.map(recordOf)) void log.append(before, after);
      for (const id of ids) profile.learn(act(id), "allow");
      log.sync();
    };
    decideAll(19_990);
    await sleep(50);
    expect(existsSync(file)).to.equal(false);
    decideAll(100);
    await until(() => existsSync(file));
    expect([kept().seq, kept().told.length]).to.deep.equal([20_090, 20_090]);
    decideAll(19_900);
    await sleep(50);
    expect(kept().seq).to.equal(20_090);
    expect(await knownBy(await open())).to.equal(39_990);
    expect(said.at(-1)).to.equal("ready 39990 20090");
  });

  it("forgets what didn't reach the disk, says nothing until it has, and then knows what is there", async () => {
    const profile = await open();
    void decide(profile, "n-1");
    log.sync();
    const lost = decide(profile, "n-2");
    log.fail();
    await lost;
    expect(profile.ready).to.equal(false);
    expect(profile.assess(act("n-3"))).to.equal(NOTHING_ODD);
    expect(profile.riskOf("a-1", 0), "not taken for calm").to.equal(100);
    await sleep(50);
    expect(profile.ready, "while the log is down").to.equal(false);
    log.recover();
    expect(await knownBy(profile)).to.equal(1);
    void decide(profile, "n-4");
    const { before, after } = aroundSeq({
      kind: "admin",
      action: ROLLED_BACK,
      caller: "ada",
      detail: { agent: "a-1", to: "1970-01-01T00:00:01.000Z" },
      time: "1970-01-01T00:00:02.000Z",
      v: 2,
    });
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
      const { before, after } = restored(agent, caller);
      void profile.log.append(before, after);
    }
    expect(profile.riskOf("a-1", 0), "what the service gives back itself tells nothing").to.equal(2);
    const { before, after } = aroundSeq({
      kind: "admin",
      action: ROLLED_BACK,
      caller: "ada",
      detail: { agent: "a-1", to: "1970-01-01T00:00:01.000Z" },
      time: "1970-01-01T00:00:02.000Z",
      v: 2,
    });
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

describe("what a standby learns of what is usual while another process serves", () => {
  let folder = "";
  let file = "";
  beforeEach(() => {
    folder = temporaryDirectory();
    file = join(folder, "behavior", "profile");
    mkdirSync(join(folder, "behavior"));
  });
  /** Records that teach, and some that don't; in segments of `per`. */
  const write = (records: number, per = 10, change: (line: string, seq: number) => string = (line) => line): void => {
    const lines = Array.from({ length: records }, (_, i) => {
      const { before, after } = i % 3 === 2 ? { before: '"kind":"outcome"', after: '"v":2' } : recordOf(`n-${i + 1}`);
      return change(`{${before},"seq":${i + 1},${after}}`, i + 1);
    });
    for (let at = 0; at < records; at += per)
      writeFileSync(
        join(folder, segmentName(at + 1)),
        lines
          .slice(at, at + per)
          .map((line) => `${line}\n`)
          .join(""),
      );
  };
  const toldBy = (to: number, from = 1): string[] =>
    Array.from({ length: Math.max(0, to - from + 1) }, (_, i) => from + i).flatMap((seq) => (seq % 3 === 0 ? [] : [`n-${seq} allow`]));
  const keep = (seq: number): void => {
    writeFileSync(file, JSON.stringify({ seq, told: toldBy(seq) }));
  };
  const said: string[] = [];
  beforeEach(() => {
    said.length = 0;
  });
  const ahead = (clock: { monotonic: () => number } = { monotonic: () => 0 }): ProfileAhead =>
    new ProfileAhead(LEARNERS, { folder, file }, clock, (why) => {
      said.push(why);
    });
  const told = ({ profile, seq }: LearnedProfile): string[] =>
    (JSON.parse(Buffer.from(profile.beginSnapshot(seq).slice(1) ?? []).toString()) as { told: string[] }).told;

  for (const snapshot of [0, 7, 21, 35]) {
    it(`is what the records tell that a checkpoint covers, after a snapshot of record ${snapshot}, however often it looks`, () => {
      write(35);
      if (snapshot > 0) keep(snapshot);
      for (const covers of [[35], [10, 10, 20, 35], [1, 2, 3, 5, 8, 13, 21, 34], Array.from({ length: 35 }, (_, i) => i + 1)]) {
        const read = ahead();
        for (const to of covers) {
          read.cover(to);
          read.advance(1);
        }
        const to = Math.max(snapshot, covers.at(-1) ?? 0);
        const learned = read.take(35);
        expect(learned?.seq).to.equal(to);
        expect(told(learned as LearnedProfile)).to.deep.equal(toldBy(to));
        expect(read.take(35), "it is the start's from then on").to.equal(null);
      }
    });
  }

  it("goes on where its time was over, and is what it had come to", () => {
    write(300, 40);
    let now = 0;
    for (const times of [1, 2, 5, 10]) {
      const read = ahead({ monotonic: () => now++ });
      read.cover(300);
      for (let i = 0; i < times; i++) read.advance(1);
      const learned = read.take(300);
      expect(learned?.seq).to.equal(Math.min(300, 32 * times));
      expect(told(learned as LearnedProfile)).to.deep.equal(toldBy(Math.min(300, 32 * times)));
    }
  });

  const left: [what: string, make: () => void, why: RegExp | null, records?: number][] = [
    [
      "a record that can't be learned from",
      () => {
        write(35, 10, (line, seq) => (seq === 13 ? line.replace('"agent":"a-1"', '"agent":') : line));
      },
      /^record 13 can't be read$/,
    ],
    [
      "a snapshot that is damaged",
      () => {
        write(35);
        writeFileSync(file, "garbage");
      },
      /garbage/,
    ],
    [
      "segments that are dropped",
      () => {
        write(35);
        rmSync(join(folder, segmentName(1)));
      },
      /^record 1 has been dropped$/,
    ],
    [
      "a snapshot from before segments that are dropped",
      () => {
        write(35);
        keep(7);
        rmSync(join(folder, segmentName(1)));
      },
      /^record 8 has been dropped$/,
    ],
    [
      "a log that isn't there",
      () => {
        rmSync(folder, { recursive: true });
      },
      /ENOENT/,
    ],
    [
      "a log that is shorter than what was learned",
      () => {
        write(35);
      },
      null,
      34,
    ],
    [
      "a log of which a snapshot is likely to be further on",
      () => {
        write(35);
      },
      null,
      20_036,
    ],
  ];
  for (const [what, make, why, records = 35] of left) {
    it(`is left to the start where there is ${what}${why === null ? "" : ", and says so once"}`, () => {
      make();
      const read = ahead();
      read.cover(35);
      for (let times = 0; times < 3; times++) read.advance(1);
      expect(said).to.have.length(why === null ? 0 : 1);
      if (why !== null) expect(said[0]).to.match(why);
      expect(read.take(records)).to.equal(null);
    });
  }

  for (const covered of [30, 35])
    it(`is what a start goes on from, of ${covered} records, and keeps in a snapshot`, async () => {
      write(35);
      keep(7);
      const read = ahead();
      read.cover(covered);
      read.advance(1);
      const log = { folder, seq: 35, durable: 35, healthy: true, append: () => Promise.resolve() };
      const said: unknown[] = [];
      const nothing = (): void => undefined;
      const events: KeptEvents = {
        ready: (...seqs) => said.push(seqs),
        refused: nothing,
        forgotten: nothing,
        unreadable: nothing,
        unsaved: nothing,
      };
      const options = { folder, file, snapshot_ms: 3_600_000, ahead: (records: number) => read.take(records) };
      const profile = await RecordedProfile.open(LEARNERS, log, system.timers, options, events);
      expect(said).to.deep.equal([[35, covered]]);
      expect(profile.riskOf("a-1", 0)).to.equal(toldBy(35).length);
      await profile.save();
      expect(JSON.parse(readFileSync(file, "utf8"))).to.deep.equal({ seq: 35, told: toldBy(35) });
    });
});
