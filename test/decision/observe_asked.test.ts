/** Observed actions that should have been asked for before: which of them had been, and what bounds a stream while that is looked up. */
import { expect } from "chai";
import { Problem, type Act } from "../../src/contract/index.js";
import { decider } from "../../src/decision/decide.js";
import { observer, type AskedBefore, type ObserveLimits, type Observation } from "../../src/decision/observe.js";
import { systemTimers, type Timers } from "../../src/system/index.js";
import { ALLOWED, CALLER, World, policyOf } from "./world.js";
import { Disk, LIMITS, about, idsOf, linesOf, records } from "./observe_support.js";

interface Around {
  disk?: Disk;
  timers?: Timers;
  asked?: AskedBefore;
  limits?: Partial<ObserveLimits>;
}

function begin(world: World, { disk = new Disk(world), timers = systemTimers, asked, limits }: Around): Observation {
  return observer({
    decider: world.decider,
    log: disk,
    system: { clock: { wall: () => world.now_ms, monotonic: () => world.monotonic_ms }, timers },
    limits: { ...world.limits, ...LIMITS, ...limits },
  }).begin(CALLER, asked);
}

const lineOf = (...ids: string[]): Buffer => Buffer.from(linesOf(...ids.map(about)));
const many = (count: number): string[] => Array.from({ length: count }, (_, i) => `I-${i + 1}`);

describe("observed actions that should have been asked for", () => {
  it("are not judged again if they had been permitted, and are marked if they hadn't", async () => {
    const world = new World();
    const looked: [line: number, act: string | null, request: string | null][] = [];
    const asked: AskedBefore = (line, act: Act, request) => {
      looked.push([line, act.id, request.resource.id]);
      return Promise.resolve({ 1: true, 2: false, 3: null, 4: true }[line] ?? null);
    };
    const observation = begin(world, { asked });
    await observation.take(lineOf("I-1", "I-2", "I-3", "I-4"));
    expect(await observation.end()).to.include({ accepted: 2, not_permitted: 0, stopped: null, recorded_to: 2 });
    expect(looked).to.deep.equal([1, 2, 3, 4].map((line) => [line, `I-${line}`, `I-${line}`]));
    expect(idsOf(world)).to.deep.equal(["I-2", "I-3"]);
    expect(records(world).map(({ unasked, answer }) => [unasked, answer.reasons.map(({ code }) => code)])).to.deep.equal([
      [true, ["not_asked", "read_own"]],
      [undefined, ["read_own"]],
    ]);
  });

  it("need not have been, unless somebody says so", async () => {
    const world = new World();
    const observation = begin(world, {});
    await observation.take(lineOf("I-1"));
    expect(await observation.end()).to.include({ accepted: 1, not_permitted: 0 });
    expect(records(world)[0]).to.not.have.property("unasked");
  });

  it("are looked for a few at once, and keep their order", async () => {
    const world = new World();
    let [under, most] = [0, 0];
    const asked: AskedBefore = async (line) => {
      most = Math.max(most, ++under);
      for (let i = line % 5; i >= 0; i--) await new Promise(setImmediate);
      under--;
      return line % 3 === 0 ? true : null;
    };
    const observation = begin(world, { asked });
    await observation.take(lineOf(...many(30)));
    expect(await observation.end()).to.include({ accepted: 20, stopped: null });
    expect(most).to.equal(8);
    expect(idsOf(world)).to.deep.equal(many(30).filter((_, i) => (i + 1) % 3 !== 0));
  });

  it("are none from the first on for which it can't be told, whatever is known of later ones", async () => {
    for (const failing of [1, 3, 8, 9, 17]) {
      const world = new World();
      const asked: AskedBefore = (line) =>
        line === failing || line === failing + 1 ? Promise.reject(new Problem("store_unavailable")) : Promise.resolve(null);
      const observation = begin(world, { asked });
      await observation.take(lineOf(...many(20)));
      await observation.take(lineOf("later"));
      const stopped = { line: failing, code: "store_unavailable" };
      expect(await observation.end()).to.deep.include({ accepted: failing - 1, stopped });
      expect(idsOf(world)).to.deep.equal(many(failing - 1));
    }
  });

  it("are answered by what broke if looking for them did", async () => {
    const world = new World();
    const observation = begin(world, { asked: () => Promise.reject(new RangeError("the search broke")) });
    await observation.take(lineOf("I-1"));
    const broken = await observation.end().catch((cause: unknown) => cause);
    expect([broken, observation.stopped]).to.deep.equal([broken, true]);
    expect(broken).to.be.instanceOf(RangeError);
    expect(world.records).to.deep.equal([]);
  });
});

describe("a stream of observed actions", () => {
  it("leaves others their turn once it has judged for a few milliseconds, with what it has judged on its way to the disk", async () => {
    for (const [ms, groups] of [
      [2, [3, 3, 3, 1]],
      [5, Array<number>(10).fill(1)],
      [4, [2, 2, 2, 2, 2]],
      [0, [10]],
    ] as const) {
      const world = new World();
      world.active = policyOf(() => ((world.monotonic_ms += ms), ALLOWED));
      const disk = new Disk(world);
      const observation = begin(world, { disk });
      await observation.take(lineOf(...many(10)));
      expect(await observation.end()).to.include({ accepted: 10 });
      expect(disk.groups, `${ms} ms each`).to.deep.equal(groups);
    }
  });

  it("takes no line after the one from which on nothing can be learned any more", async () => {
    const world = new World();
    let judged = 0;
    world.active = policyOf(() => {
      if (++judged === 2) world.profile = { ...world.profile, ready: false };
      return ALLOWED;
    });
    const observation = begin(world, {});
    await observation.take(lineOf("I-1", "I-2", "I-3"));
    expect(observation.stopped).to.equal(true);
    expect(await observation.end()).to.deep.include({ accepted: 2, recorded_to: 2, stopped: { line: 3, code: "log_unavailable" } });
  });

  const queues: [what: string, queue: Partial<Disk["queue"]>, waits: boolean][] = [
    ["half of the records that the log may have", { records: 500 }, false],
    ["one more", { records: 501 }, true],
    ["half of the bytes", { bytes: 500_000 }, false],
    ["a byte more", { bytes: 500_001 }, true],
  ];
  for (const [what, queue, waits] of queues)
    it(`${waits ? "waits, and in the end stops," : "goes on"} while others have ${what} before it`, async () => {
      const world = new World();
      const disk = new Disk(world);
      Object.assign(disk.queue, queue);
      let waited = 0;
      // Time passes only while it waits.
      const timers: Timers = {
        ...systemTimers,
        after: (ms, call) => {
          expect(ms).to.equal(5);
          waited++;
          world.monotonic_ms += 1000;
          setImmediate(call);
          return () => undefined;
        },
      };
      const observation = begin(world, { disk, timers });
      await observation.take(lineOf("I-1", "I-2"));
      const stopped = waits ? { line: 1, code: "log_backlog" } : null;
      expect(await observation.end()).to.deep.include({ accepted: waits ? 0 : 2, stopped });
      expect([waited, world.records.length]).to.deep.equal(waits ? [10, 0] : [0, 2]);
    });

  it("is larger than allowed only with its next byte, and its caller's clock no further from ours than allowed", async () => {
    const text = lineOf("I-1", "I-2");
    for (const [bytes_max, stopped] of [
      [text.length, null],
      [text.length - 1, { line: 1, code: "body_too_large" }],
    ] as const) {
      const observation = begin(new World(), { limits: { bytes_max } });
      await observation.take(text);
      expect(await observation.end()).to.deep.include({ stopped });
    }
    for (const [ms, accepted] of [
      [-LIMITS.age_max_ms, 1],
      [-LIMITS.age_max_ms - 1, 0],
      [60_000, 1],
      [60_001, 0],
    ] as const) {
      const world = new World();
      const observation = begin(world, {});
      await observation.take(Buffer.from(linesOf({ ...about("I-1"), at: new Date(world.now_ms + ms).toISOString() })));
      expect(await observation.end(), String(ms)).to.include({ accepted });
    }
  });

  it("lists what it refuses in order, whenever that was known, and names no record if it has none", async () => {
    const observation = begin(new World(), {});
    await observation.take(Buffer.from(linesOf({ ...about("I-1"), agent_token: "x" }, "x", { ...about("I-3"), at: "x" })));
    const answer = await observation.end();
    expect(answer.refused.map(({ line }) => line)).to.deep.equal([1, 2, 3]);
    expect(answer).to.not.have.property("recorded_to");
  });

  it("ends at the first line that stops it, though a later one had before", async () => {
    const world = new World();
    const disk = new Disk(world);
    disk.write = () => Promise.reject(new Problem("log_unavailable"));
    const observation = begin(world, { disk, limits: { refused_max: 2 } });
    await observation.take(Buffer.from(linesOf(about("I-1"), about("I-2"), "x", "x", about("I-5"))));
    expect(await observation.end()).to.deep.equal({
      ...{ accepted: 0, not_permitted: 0, flagged: 0, refused: [], stopped: { line: 1, code: "log_unavailable" } },
    });
  });

  const times: [at: string, ms: number | null][] = [
    ["2026-03-03T09:14:09.090Z", 9_090],
    ["2026-03-03T09:14:59.999Z", 59_999],
    ["2026-03-03T09:14:00.000Z", 0],
    ["2026-03-03T09:15:01.001Z", 61_001],
    ["2026-03-03t09:14:55.250Z", 55_250],
    ["2026-03-03T09:14:55.250z", 55_250],
    ["2026-03-03T09:14:55.25Z", 55_250],
    ["2026-03-03T10:14:55.2+01:00", 55_200],
    ["2026-03-03T09:14:55.00xZ", null],
    ["2026-03-03T09:14:55.00/Z", null],
    ["2026-03-03T09:14:55.0:0Z", null],
    ["2026-03-03T09:14:/5.000Z", null],
    ["2026-03-03T09:14:60.000Z", null],
    ["2026-03-03T09:14:55-000Z", null],
    ["2026-03-03T09:99:55.000Z", null],
  ];
  it("tells the profile when each happened, to the millisecond, and records it in one spelling", async () => {
    const began = Date.UTC(2026, 2, 3, 9, 14);
    // Forwards, backwards, and amid others: a minute that was read is remembered.
    for (const some of [times, [...times].reverse(), times.flatMap((one) => [one, ["2026-03-03T09:14:30.000Z", 30_000] as const])]) {
      const world = new World();
      const learned: number[] = [];
      world.profile = { ...world.profile, learn: ({ time_ms }) => learned.push(time_ms - began) };
      world.now_ms = began + 120_000;
      const observation = begin(world, { limits: { age_max_ms: 600_000 } });
      await observation.take(Buffer.from(linesOf(...some.map(([at]) => ({ ...about("I-1"), at })))));
      const wanted = some.flatMap(([, ms]) => (ms === null ? [] : [ms]));
      const refused = some.flatMap(([, ms], i) => (ms === null ? [i + 1] : []));
      expect((await observation.end()).refused.map(({ line }) => line)).to.deep.equal(refused);
      expect(learned).to.deep.equal(wanted);
      expect(records(world).map(({ at }) => at)).to.deep.equal(wanted.map((ms) => new Date(began + ms).toISOString()));
    }
  });

  it("hands on what an action has returned", async () => {
    const returned = { paths: [{ path: "", text: true, values: [] }] };
    const seen: unknown[] = [];
    const world = new World((pdp) =>
      decider({
        ...pdp,
        flow: {
          ask: () => ({ facts: {} as never, note: {} }),
          permitted: () => undefined,
          seenIn: (_id, _note, what) => (seen.push(what), null),
          notMade: () => undefined,
        },
      }),
    );
    const active = policyOf(() => ALLOWED);
    world.active = { ...active, vocabulary: { ...active.vocabulary, flow: { slots: [], own: [], members: [], secret: [] } } };
    const observation = begin(world, {});
    await observation.take(Buffer.from(linesOf({ ...about("I-1"), returned }, about("I-2"))));
    expect(await observation.end()).to.include({ accepted: 2 });
    expect(seen).to.deep.equal([returned]);
  });

  it("says of a line that it refuses what was expected of it", async () => {
    const observation = begin(new World(), { limits: { line_bytes_max: 400 } });
    await observation.take(
      Buffer.from(linesOf({ ...about("I-1"), at: "now" }, "x".repeat(401), { ...about("I-1"), at: "2020-01-01T00:00:00Z" })),
    );
    expect((await observation.end()).refused).to.deep.equal([
      { line: 1, code: "time_invalid", field: "/at", expected: "an RFC 3339 date-time that exists" },
      { line: 2, code: "line_too_long", expected: "at most 400 bytes" },
      { line: 3, code: "time_invalid", field: "/at", expected: "at most 60000 ms ago" },
    ]);
  });
});
