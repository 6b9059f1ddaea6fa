import { expect } from "chai";
import { AGENT_BYTES_MAX, AgentMemory } from "../../src/behavior/agent.js";
import { BehaviorProfile } from "../../src/behavior/profile.js";
import { BEHAVIOR_ALGORITHM, SnapshotDamaged } from "../../src/behavior/snapshot.js";
import { act, bytesOf, DAY, live, MONDAY, shift, work } from "./desk.js";
import { TEAM, team, THEN } from "./team.js";

const OPTIONS = { agents_max: 100 };

describe("a profile's snapshot", () => {
  const before = [...shift({ days: 12 }), ...shift({ agent: "support-1", days: 12 })];
  const after = [...shift({ from: 12, days: 6 }), ...shift({ agent: "support-2", from: 12, days: 6 })];

  it("and what came behind it come to the same bytes as all from the first act on", () => {
    const whole = new BehaviorProfile(OPTIONS);
    work(whole, [...before, ...after]);
    const first = new BehaviorProfile(OPTIONS);
    work(first, before);
    const { profile, seq } = BehaviorProfile.restore(bytesOf(first, 4711), OPTIONS);
    expect(seq).to.equal(4711);
    const said = work(profile, after);
    expect(Buffer.compare(bytesOf(profile), bytesOf(whole))).to.equal(0);
    const again = new BehaviorProfile(OPTIONS);
    work(again, before);
    expect(work(again, after)).to.deep.equal(said);
  });

  it("is of one moment, however much is learned, forgotten and rolled back while it is written", () => {
    const profile = team();
    const wanted = bytesOf(profile, 9);
    const snapshot = profile.beginSnapshot(9);
    const pieces: Uint8Array[] = [];
    const disturb = [
      (): unknown => work(profile, shift({ agent: TEAM[4] ?? "", from: 14, days: 1 })),
      (): unknown => live(profile, act({ agent: "somebody-new", time_ms: THEN })),
      (): unknown => {
        profile.forgive(TEAM[3] ?? "");
        return null;
      },
      (): unknown => profile.rollBack(TEAM[2] ?? "", MONDAY + 8 * DAY),
    ];
    for (let piece = snapshot.slice(1); piece !== null; piece = snapshot.slice(1)) {
      pieces.push(Buffer.from(piece));
      disturb.shift()?.();
    }
    expect(disturb).to.have.lengthOf(0);
    expect(Buffer.compare(Buffer.concat(pieces), wanted)).to.equal(0);
  });

  it("that another one takes the place of is given up", () => {
    const profile = team();
    const given = profile.beginSnapshot(1);
    given.slice(1);
    expect(bytesOf(profile, 2).length).to.be.above(0);
    expect(given.slice(1)).to.equal(null);
  });

  const good = bytesOf(team(), 1);
  const changed = (at: number): Uint8Array => {
    const bytes = Uint8Array.from(good);
    bytes[at] = (bytes[at] ?? 0) ^ 0x10;
    return bytes;
  };
  const BAD: Record<string, [Uint8Array, code: string, message: RegExp]> = {
    empty: [new Uint8Array(), "snapshot_damaged", /more than 0 bytes/],
    "of something else": [Buffer.alloc(500, "x"), "snapshot_damaged", /no snapshot of a profile/],
    "cut short": [good.subarray(0, good.length - 1), "snapshot_damaged", /cut short or changed/],
    "cut to its half": [good.subarray(0, good.length >> 1), "snapshot_damaged", /cut short or changed/],
    "written twice": [Buffer.concat([good, good]), "snapshot_damaged", /cut short or changed/],
    "with a byte of the head changed": [changed(22), "snapshot_damaged", /cut short or changed/],
    "with a byte of a state changed": [changed(good.length >> 1), "snapshot_damaged", /cut short or changed/],
    "with its digest changed": [changed(good.length - 1), "snapshot_damaged", /cut short or changed/],
    "of another algorithm": [
      Uint8Array.from(good, (byte, i) => (i === 16 ? BEHAVIOR_ALGORITHM + 1 : byte)),
      "snapshot_of_another_algorithm",
      /algorithm \d+ wrote it/,
    ],
  };
  for (const [name, [bytes, code, message]] of Object.entries(BAD)) {
    it(`is refused where it is ${name}`, () => {
      try {
        BehaviorProfile.restore(bytes, OPTIONS);
        expect.fail("it was taken");
      } catch (error) {
        expect(error).to.be.instanceOf(SnapshotDamaged);
        expect((error as SnapshotDamaged).code).to.equal(code);
        expect((error as SnapshotDamaged).message).to.match(message);
      }
    });
  }

  it("restored for fewer agents keeps those that were heard of last", () => {
    const { profile } = BehaviorProfile.restore(good, { agents_max: 2 });
    expect([...profile.agents.keys()]).to.deep.equal(TEAM.slice(-2));
  });
});

describe("going back to what was usual", () => {
  const swallowed = (): BehaviorProfile => {
    const profile = new BehaviorProfile(OPTIONS);
    work(profile, shift({ days: 16 }));
    for (let day = 16; day < 20; day++)
      for (let i = 0; i < 20; i++) live(profile, act({ type: "ledger", id: `l-${i}`, time_ms: MONDAY + day * DAY + i * 600_000 }));
    return profile;
  };
  const types = (profile: BehaviorProfile): string[] => [...new Set(profile.portrait("support-7")?.habits.map(({ type }) => type))];

  it("forgets what was learned since a checkpoint, and knows what was learned before", () => {
    const profile = swallowed();
    expect(types(profile)).to.include("ledger");
    const at = profile.rollBack("support-7", MONDAY + 16 * DAY);
    expect(at).to.be.within(MONDAY + 7 * DAY, MONDAY + 16 * DAY);
    expect(types(profile)).to.have.members(["ticket", "customer", "order"]);
    expect(Math.max(...work(profile, shift({ from: 21, days: 1 })).map(({ risk }) => risk))).to.be.below(25);
  });

  it("is to the newest checkpoint that is old enough, and to none that isn't there", () => {
    const profile = swallowed();
    const before = bytesOf(profile);
    expect(profile.rollBack("support-7", MONDAY)).to.equal(null);
    expect(profile.rollBack("nobody", MONDAY + 100 * DAY)).to.equal(null);
    expect(Buffer.compare(bytesOf(profile), before)).to.equal(0);
    const [first, second] = profile.portrait("support-7")?.checkpoints_ms ?? [];
    expect(profile.rollBack("support-7", (second ?? 0) - 1)).to.equal(first);
    expect(profile.portrait("support-7")?.checkpoints_ms).to.deep.equal([first]);
  });

  it("is the same after a restart", () => {
    const [one, other] = [swallowed(), BehaviorProfile.restore(bytesOf(swallowed()), OPTIONS).profile];
    for (const profile of [one, other]) profile.rollBack("support-7", MONDAY + 16 * DAY);
    expect(Buffer.compare(bytesOf(one), bytesOf(other))).to.equal(0);
  });
});

describe("what an agent's profile may take", () => {
  it("is the same whatever it has learned, but for its checkpoints", () => {
    expect(AGENT_BYTES_MAX).to.be.at.most(24 * 1024);
    const slabs = [...team().agents.values()].map(({ slab }) => slab.bytes.length);
    expect(new Set(slabs)).to.deep.equal(new Set([new AgentMemory().slab.bytes.length]));
  });
});
