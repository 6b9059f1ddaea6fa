/** What goes wrong while nodes learn from one another: each lesson is learned once anyway, and nobody pays for what is long over. */
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect } from "chai";
import { segmentName } from "../../src/audit/log/segments.js";
import { BehaviorProfile } from "../../src/behavior/profile.js";
import type { Act, SharedOddity } from "../../src/contract/index.js";
import { Homes } from "../../src/cluster/home.js";
import { OwnNotices } from "../../src/findings/own_notices.js";
import { mayRestore, noteShared } from "../../src/service/fleet.js";
import { OwnLessons, type LessonPage } from "../../src/service/own_lessons.js";
import { system } from "../../src/system/index.js";
import { act, live, shift, DAY, HOUR, MINUTE, SECOND } from "../behavior/desk.js";
import type { FakeLog } from "./fake_log.js";
import { AGENT, LAST_DAY, allRead, spree, startNodes, type LearningNode } from "./nodes_that_learn.js";

/** Lessons of a page, as many as make it say that there are more. */
const PAGE = 500;

describe("lessons of other nodes, where something goes wrong", function () {
  this.timeout(60_000);

  const knownOf = ({ profile }: LearningNode, agent = AGENT): number => profile.portrait(agent)?.acts ?? 0;
  const saying = (lessons: LessonPage["lessons"], more: boolean): { says: string } => ({
    says: JSON.stringify({ v: 1, through: lessons.at(-1)?.[0] ?? 0, more, lessons }),
  });
  const acted = (seq: number, time_ms: number): LessonPage["lessons"][number] => [
    seq,
    { of: "act", act: act({ id: `c-${seq}`, time_ms }), outcome: "allow" },
  ];
  /** Lets others ask while a profile is made again, as they do four times a second. */
  const remade = async (node: LearningNode, others: readonly LearningNode[]): Promise<void> => {
    while (!node.profile.ready) {
      for (const { followed } of others) await followed.read();
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
  };

  it("are of all records, of those too that were written while a profile was made again", async () => {
    const { nodes, clock } = await startNodes(["a", "b"]);
    const [a, b] = nodes;
    clock.wall_ms = LAST_DAY;
    a.decide(act({ time_ms: LAST_DAY }));
    a.log.fail();
    a.profile.unrecorded();
    await b.followed.read();
    a.log.recover();
    await b.followed.read();
    // Decided while nothing is known of anybody: learned from its record.
    for (let i = 0; i < 5; i++) a.decide(act({ id: `m-${i}`, time_ms: LAST_DAY + i }));
    a.log.sync();
    await remade(a, [b]);
    a.decide(act({ id: "after", time_ms: LAST_DAY + 10 }));
    await allRead([a, b]);
    await allRead([a, b]);
    expect([knownOf(a), knownOf(b)]).to.deep.equal([6, 6]);
  });

  it("are learned once if a snapshot is made in the middle of a page, and the node starts from it", async () => {
    const { nodes, clock } = await startNodes(["a", "b"]);
    const [a, b] = nodes;
    for (let i = 0; i < 300; i++) {
      a.decide(act({ id: `c-${i}`, time_ms: LAST_DAY + i * 10 }));
      await new Promise((resolve) => setImmediate(resolve));
    }
    a.log.sync();
    clock.wall_ms = LAST_DAY + MINUTE;
    const reading = b.followed.read();
    while (knownOf(b) === 0) await new Promise((resolve) => setImmediate(resolve));
    expect(knownOf(b), "in the middle of it").to.be.below(300);
    await b.profile.save();
    await reading;
    await b.open();
    await b.followed.read();
    expect(knownOf(b)).to.equal(300);
  });

  it("are learned from where a profile goes on that was made again while they were read", async () => {
    const { nodes, clock } = await startNodes(["a", "b"]);
    const [a, b] = nodes;
    await b.profile.save();
    for (let i = 0; i < 200; i++) {
      a.decide(act({ id: `c-${i}`, time_ms: LAST_DAY + i * 10 }));
      if (i === 99) await allRead([a, b]);
    }
    clock.wall_ms = LAST_DAY + MINUTE;
    a.log.sync();
    // Its answer is on its way while the profile goes back to before all of them.
    const answer = a.answer.bind(a);
    a.answer = async (question) => {
      const found = await answer(question);
      a.answer = answer;
      b.profile.unrecorded();
      await remade(b, []);
      return found;
    };
    await b.followed.read();
    await b.followed.read();
    expect(knownOf(b)).to.equal(200);
  });

  it("are not learned again from a node that has learned nothing for a while", async () => {
    const { nodes, clock } = await startNodes(["a", "b"]);
    const [a, b] = nodes;
    clock.wall_ms = LAST_DAY;
    a.decide(act({ time_ms: LAST_DAY }));
    await allRead([a, b]);
    const answer = a.answer.bind(a);
    a.answer = () => Promise.resolve(null as never);
    await b.followed.read();
    a.answer = answer;
    await b.followed.read();
    expect(knownOf(b)).to.equal(1);
  });

  const endless: [what: string, last: LessonPage["lessons"][number]][] = [
    ["what was observed and is older than all before it", acted(PAGE, LAST_DAY - HOUR)],
    ["a rollback", [PAGE, { of: "rolled_back", agent: AGENT, to_ms: 0, time_ms: LAST_DAY - HOUR }]],
    ["a verdict", [PAGE, { of: "forgiven", agent: "nobody", time_ms: LAST_DAY - HOUR }]],
  ];
  for (const [what, last] of endless)
    it(`are read on behind a page that ends with ${what}`, async () => {
      const { nodes, clock } = await startNodes(["a", "b"]);
      const [a, b] = nodes;
      clock.wall_ms = LAST_DAY + MINUTE;
      const page = Array.from({ length: PAGE - 1 }, (_, i) => acted(i + 1, LAST_DAY + i));
      const asked: string[] = [];
      a.answer = (question) => {
        asked.push(question);
        const says =
          asked.length > 10
            ? saying([], false)
            : question.endsWith(" 0")
              ? saying([...page, last], true)
              : saying([acted(PAGE + 1, LAST_DAY + MINUTE)], false);
        return Promise.resolve(says.says);
      };
      await b.followed.read();
      expect(asked).to.deep.equal(["lessons 0", `lessons ${PAGE}`]);
      expect(b.profile.followedTo("a")).to.equal(PAGE + 1);
    });

  it("are asked for once more only if something came of the last answer", async () => {
    const { nodes } = await startNodes(["a", "b"]);
    const [a, b] = nodes;
    let asked = 0;
    a.answer = () => Promise.resolve(JSON.stringify({ v: 1, through: 0, more: ++asked < 50, lessons: [] }));
    await b.followed.read();
    expect(asked).to.equal(1);
  });

  it("keep a rollback behind what it takes back, however much is read at once", async () => {
    const poison = spree(60).map((one, i): Act => ({ ...one, time_ms: LAST_DAY + i * SECOND }));
    const { nodes, clock } = await startNodes(["a", "b"]);
    const [a, b] = nodes;
    const alone = new BehaviorProfile({ agents_max: 100 });
    const acts = [...shift({ days: 9 })];
    const placed: LessonPage["lessons"] = [];
    for (const one of [...acts, ...poison]) {
      live(alone, one);
      placed.push([placed.length + 1, { of: "act", act: one, outcome: "allow" }]);
    }
    const [to_ms = 0] = alone.checkpointsOf(AGENT);
    alone.rollBack(AGENT, to_ms);
    placed.push([placed.length + 1, { of: "rolled_back", agent: AGENT, to_ms, time_ms: LAST_DAY + HOUR }]);
    a.answering = saying(placed, false);
    clock.wall_ms = LAST_DAY + 2 * HOUR;
    await b.followed.read();
    expect(to_ms, "there is a checkpoint").to.be.above(0);
    expect(b.profile.portrait(AGENT)).to.deep.equal(alone.portrait(AGENT));
  });

  it("are nobody's reason to stop an agent for what was over before this node had read of it", async () => {
    const { nodes, clock } = await startNodes(["a", "b"]);
    const [a, b] = nodes;
    b.home = new Set([AGENT]);
    for (const one of shift({ days: 12 })) a.decide(one);
    for (const one of spree(40)) a.decide(one, "flag");
    a.log.sync();
    clock.wall_ms = LAST_DAY + 20 * DAY;
    await b.followed.read();
    expect([knownOf(b) > 0, b.settled]).to.deep.equal([true, []]);
  });

  it("are news as long as they are a minute old, and no finding about several agents is opened by others", async () => {
    const { nodes, clock } = await startNodes(["a", "b"]);
    const [a, b] = nodes;
    const news: unknown[] = [];
    const follow = b.profile.follow.bind(b.profile);
    b.profile.follow = (lesson, isNews) => {
      if (lesson.of === "act") news.push([lesson.act.id, isNews]);
      follow(lesson, isNews);
    };
    for (const [id, ago_ms] of [
      ["long over", 2 * DAY],
      ["over", 2 * MINUTE],
      ["now", SECOND],
    ] as const)
      a.decide(act({ id, time_ms: LAST_DAY - ago_ms }));
    a.log.sync();
    clock.wall_ms = LAST_DAY;
    await b.followed.read();
    expect(news).to.deep.equal([
      ["long over", false],
      ["over", false],
      ["now", true],
    ]);
  });

  it("aren't late because an engine handed in what it dates ahead", async () => {
    const { nodes, clock } = await startNodes(["a", "b"]);
    const [a, b] = nodes;
    clock.wall_ms = LAST_DAY;
    b.decide(act({ time_ms: LAST_DAY + 4 * MINUTE }));
    a.decide(act({ id: "other", time_ms: LAST_DAY }));
    await allRead([a, b]);
    expect([knownOf(b), b.followed.late]).to.deep.equal([2, 0]);
  });

  it("let nobody back before all that a node has was read once", async () => {
    const { nodes } = await startNodes(["a", "b"]);
    const [a, b] = nodes;
    expect(b.followed.isBehind, "nothing is read yet").to.equal(true);
    a.answering = saying([acted(1, LAST_DAY)], true);
    await b.followed.read();
    expect(b.followed.isBehind, "there is more").to.equal(true);
    a.answering = "well";
    await b.followed.read();
    expect(b.followed.isBehind).to.equal(false);
  });
});

describe("a node that can ask nobody", () => {
  it("goes on with what it knows, and learns again when it can", async () => {
    const { nodes, clock } = await startNodes(["a", "b"]);
    const [a, b] = nodes;
    clock.wall_ms = LAST_DAY;
    a.decide(act({ time_ms: LAST_DAY }));
    a.log.sync();
    a.answering = "can't be asked";
    await b.followed.read();
    expect([b.profile.known, b.followed.isBehind]).to.deep.equal([0, true]);
    a.answering = "well";
    await b.followed.read();
    expect([b.profile.known, b.followed.isBehind]).to.deep.equal([1, false]);
  });
});

describe("a node that starts", () => {
  it("decides nothing before it has learned what the others have decided, so that nobody's past is late there", async () => {
    const { nodes, clock } = await startNodes(["a", "b"]);
    const [a, b] = nodes;
    a.decide(act({ time_ms: LAST_DAY }));
    a.log.sync();
    clock.wall_ms = LAST_DAY + HOUR;
    a.answering = "silent";
    await b.followed.read();
    expect(b.followed.hasBegun, "one hasn't answered").to.equal(false);
    a.answering = "well";
    b.current = false;
    await b.followed.read();
    expect(b.followed.hasBegun, "it may not have known of all").to.equal(false);
    b.current = true;
    await b.followed.read();
    expect(b.followed.hasBegun).to.equal(true);
    a.answering = "silent";
    clock.monotonic_ms += 60_000;
    await b.followed.read();
    expect(b.followed.hasBegun, "it has begun").to.equal(true);
  });

  it("waits no longer than ten seconds for one that doesn't answer", async () => {
    const { nodes, clock } = await startNodes(["a", "b"]);
    const [a, b] = nodes;
    a.answering = "silent";
    const begun: boolean[] = [];
    for (const ms of [0, 5000, 4999, 2]) {
      clock.monotonic_ms += ms;
      await b.followed.read();
      begun.push(b.followed.hasBegun);
    }
    expect(begun).to.deep.equal([false, false, false, true]);
  });

  it("decides at once where it is alone", async () => {
    const { nodes } = await startNodes(["a"]);
    await nodes[0].followed.read();
    expect(nodes[0].followed.hasBegun).to.equal(true);
  });
});

describe("an agent that is narrowed", () => {
  const node = (isHome: boolean): { isHome: () => boolean } => ({ isHome: () => isHome });
  const rows: [where: string, may: boolean, node: ReturnType<typeof node> | null, followed: { isBehind: boolean } | null][] = [
    ["by a service that decides alone", true, null, null],
    ["by its home", true, node(true), { isBehind: false }],
    ["by its home while that can't read what others decide", false, node(true), { isBehind: true }],
    ["by its home if that learns nothing", false, node(true), null],
    ["by another node", false, node(false), { isBehind: false }],
  ];
  for (const [where, may, ...known] of rows)
    it(`is ${may ? "" : "not "}let back ${where}`, () => {
      expect(mayRestore(...known, AGENT)).to.equal(may);
    });
});

describe("what several agents have in common", () => {
  const shared = (value: string): SharedOddity => ({
    ...{ kind: "owner", value, purpose: "support", channel: "resource", type: "invoice" },
    ...{ agents: ["a-1", "a-2", "a-3"], count: 3, active: 4, expected: 0.1, decades: 3 },
  });
  /** Groups of which each of these nodes has opened a finding, after all have learned of all of them. */
  const noted = (names: readonly string[], groups: readonly string[]): Record<string, string[]> =>
    Object.fromEntries(
      names.map((name) => {
        const own: string[] = [];
        const homes = new Homes(() => names);
        const notices = new OwnNotices(
          {
            note: ({ detail }) => {
              own.push(String(detail["value"]));
              return Promise.resolve({ id: "n", finding: "F" });
            },
          },
          system.timers,
          "remit",
        );
        let learned = (_: SharedOddity): void => undefined;
        const profile = { whenShared: (listener: typeof learned) => void (learned = listener) };
        noteShared(profile, { isHome: (key) => homes.of(key) === name }, notices);
        for (const group of groups) learned(shared(group));
        return [name, own];
      }),
    );
  const groups = Array.from({ length: 12 }, (_, i) => `team-${i}`);

  for (const names of [["a"], ["a", "b"], ["a", "b", "c"], ["b", "c"]])
    it(`is opened as a finding once by nodes ${names.join(", ")}, which all have learned of it`, () => {
      const by = noted(names, groups);
      expect(Object.values(by).flat().sort()).to.deep.equal([...groups].sort());
      expect(
        Object.values(by).every((own) => own.length > 0),
        "each is some group's home",
      ).to.equal(true);
    });

  it("is opened by a service that decides alone", () => {
    const opened: string[] = [];
    const profile = {
      whenShared: (listener: (one: SharedOddity) => void) => {
        listener(shared("team-1"));
      },
    };
    noteShared(profile, null, { shared: ({ value }) => void opened.push(value) });
    expect(opened).to.deep.equal(["team-1"]);
  });
});

describe("own lessons that are read from the records", () => {
  /** A log with acts, and before each so many records of which nothing is learned. */
  const written = async (acts: number, between: number): Promise<FakeLog> => {
    const { nodes } = await startNodes(["a"]);
    const [node] = nodes;
    for (let i = 0; i < acts; i++) {
      for (let n = 0; n < between; n++)
        void node.log.append('"change":"nothing","kind":"service"', '"time":"2026-01-05T08:00:00.000Z","v":2');
      node.decide(act({ id: `c-${i}`, time_ms: LAST_DAY + i }));
    }
    node.log.sync();
    return node.log;
  };

  it("let others have their turn between records without one too", async () => {
    const log = await written(1, 3000);
    let turns = 0;
    const turnEnd = (call: () => void): void => {
      turns++;
      system.timers.turnEnd(call);
    };
    const page = await new OwnLessons(log, log.folder, { turnEnd }).after(0);
    expect([page.lessons.length, turns]).to.satisfy(([lessons, took]: [number, number]) => lessons === 1 && took > 20);
  });

  it("go on where the page before ended, without reading its segment from the beginning", async () => {
    const log = await written(1200, 1);
    const own = new OwnLessons(log, log.folder, system.timers);
    const first = await own.after(0);
    // Whoever counted lines from the beginning would find none.
    const file = join(log.folder, segmentName(1));
    const bytes = readFileSync(file);
    bytes.fill(0x20, 0, bytes.indexOf(`"seq":${first.through},`));
    writeFileSync(file, bytes);
    const second = await own.after(first.through);
    expect([first.lessons.length, second.lessons.length]).to.deep.equal([PAGE, PAGE]);
    expect(second.lessons[0]?.[0]).to.equal(first.through + 2);
  });
});
