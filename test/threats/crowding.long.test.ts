/** One caller that uses up what all share, so that others lose what they had. */
import { Socket } from "node:net";
import { INCIDENTS_MAX, QUIET_MS } from "../../src/findings/incidents.js";
import { system } from "../../src/system/index.js";
import { DAY, MONDAY, act, shift, work } from "../behavior/desk.js";
import { StillTimers } from "../facts/world.js";
import { NOW, flag, seen, sighted } from "../findings/sightings.js";
import { cut } from "./cut.js";
import { Receiver, type Submitted } from "./handed_in.js";
import { Peer, serverStubs } from "./peers.js";
import { threat } from "./threat.js";

const HOUR_MS = 3_600_000;
const FLOOD = 2_000;
const AT_ONCE = 500;

async function takeAll(receiver: Receiver, all: readonly Submitted[]): Promise<void> {
  for (let from = 0; from < all.length; from += AT_ONCE) await receiver.take(all.slice(from, from + AT_ONCE));
}

/** Flags of one agent, whatever its engine says of their reasons and times. */
const FLOODS: Record<string, (i: number) => Submitted> = {
  "of one reason": () => ({ agent: "a-2" }),
  "each of another reason": (i) => ({ agent: "a-2", reasons: [flag(`reason_${i}`)] }),
  "each an hour after the one before": (i) => ({ agent: "a-2", time_ms: NOW - (FLOOD - i) * HOUR_MS }),
  "of agents that nobody has registered": (i) => ({ agent: `invented-${i}` }),
};

threat("A15", "what engines hand in is grouped as what the service decides, whatever they say of it", {
  async check(tree) {
    for (const [what, of] of Object.entries(FLOODS)) {
      const receiver = await Receiver.open(tree, new Set(["a-1", "a-2"]));
      await takeAll(
        receiver,
        Array.from({ length: FLOOD }, (_, i) => of(i)),
      );
      const { size } = receiver.findings;
      if (receiver.recorded.length !== FLOOD) throw new Error(`${what}: ${receiver.recorded.length} are on record`);
      if (size === 0) return `${what}: no finding at all`;
      if (size > INCIDENTS_MAX + 2) return `${what}: ${size} findings`;
    }
    return null;
  },
  without: {
    "its place among the agent's incidents": [
      cut.call("service/handed_in_records.js", "HandedInRecords.#marked", "incidents.place", "answer.finding ?? null"),
    ],
    "the service's own clock": [cut.call("service/handed_in_records.js", "HandedInRecords.#marked", "clock.wall", "asked.now_ms")],
    "agents being looked up": [cut.value("service/handed_in_records.js", "HandedInRecords.#marked", "isAttributed", "true")],
    "names of findings being the service's to give": [cut.returns("service/handed_in_records.js", "HandedInRecords.#opener", "decisionId")],
  },
});

threat("A15", "whoever has most findings loses them first, however many come, and closed ones before open ones", {
  async check(tree) {
    const [{ Findings }, { Incidents }] = await Promise.all([tree("findings/findings.js"), tree("findings/incidents.js")]);
    const closed = new Set<string>();
    const states = { revision: 0, finding: (id: string) => (closed.has(id) ? ({ state: "expected", revision: 1 } as never) : undefined) };
    const findings = new Findings(states, { kept_max: 100, wait_ms: 0 }, new StillTimers());
    const incidents = new Incidents();
    let seq = 0;
    const open = (agent: string): string => {
      const one = sighted({ agent, time_ms: NOW + ++seq * QUIET_MS, reasons: [flag("noticed")] });
      const id = incidents.place(one) ?? "";
      findings.take(seen(one, id, seq));
      return id;
    };
    const [judged, waits] = [open("a-1"), open("a-1")];
    closed.add(judged);
    for (let i = 0; i < 300; i++) closed.add(open("a-2"));
    if (findings.at(judged) === null) return "a closed finding is lost to another agent's";
    for (let i = 0; i < 300; i++) open("a-2");
    if (findings.at(waits) === null) return "an open finding is lost to another agent's";
    if (findings.size !== 100) throw new Error(`${findings.size} are kept`);
    return findings.at(judged) === null ? null : "an open finding is lost before a closed one";
  },
  without: {
    "who has most being looked for": [cut.text("findings/findings.js", "oldestOfMost", "b.length > a.length", "false")],
    "closed ones first": [cut.never("findings/findings.js", "Findings.#forgetOne", "closed", "length")],
  },
});

threat("A5", "engines teach only of agents and purposes that the service knows", {
  async check(tree) {
    const receiver = await Receiver.open(tree, new Set(["a-1", "a-2"]));
    await takeAll(
      receiver,
      Array.from({ length: 1000 }, (_, i) => ({ agent: `invented-${i}`, reasons: [] })),
    );
    await takeAll(
      receiver,
      Array.from({ length: 300 }, (_, i) => ({ agent: "a-2", purpose: `invented-${i}`, reasons: [] })),
    );
    await receiver.take([{ agent: "a-1", reasons: [] }]);
    if (!receiver.learned.includes("a-1 for support")) throw new Error("nothing is learned of an agent that is known");
    if (receiver.learned.length > 1) return `it learns of ${receiver.learned[0]}, and ${receiver.learned.length - 1} others`;
    return receiver.recorded.slice(0, -1).some(({ act }) => act !== undefined) ? "a start learns of what the service didn't" : null;
  },
  without: {
    "agents being looked up": [cut.never("service/handed_in_records.js", "HandedInRecords.#read", "known", "agent")],
    "purposes being looked up": [cut.never("service/handed_in_records.js", "HandedInRecords.#read", "known", "purpose")],
  },
});

threat("A5", "whoever works is not forgotten for names that come and go", {
  async check(tree) {
    const { BehaviorProfile: Profile } = await tree("behavior/profile.js");
    const profile = new Profile({ agents_max: 50 });
    work(profile, shift({ agent: "worker", days: 3 }));
    for (let i = 0; i < 500; i++) work(profile, [act({ agent: `new-${i}`, time_ms: MONDAY + 4 * DAY + i })]);
    if (profile.agents.size !== 50) throw new Error(`${profile.agents.size} are known`);
    if (!profile.agents.has("new-499")) throw new Error("the latest isn't known");
    return profile.agents.has("worker") ? null : "nothing is known any more of an agent that has worked for days";
  },
  without: { "newcomers being forgotten first": [cut.never("behavior/profile.js", "#leastKnown", "ESTABLISHED_DAYS")] },
});

/** Tokens that a service has seen, by their callers: however a token is spelled, and however many a caller has. */
const CALLERS = new Map(Array.from({ length: 40 }, (_, i) => [`t-${i}`, "hostile"]));

threat("A17", "a caller's share is one, however many tokens it has and however it spells them", {
  async check(tree) {
    const [{ admission }, { admitByCaller }] = await Promise.all([tree("http/admission.js"), tree("http/share.js")]);
    const [MAX, SHARE] = [16, 4];
    const spellings = (i: number): string => `${i % 2 === 0 ? "Bearer" : "bEARER"}${" ".repeat(1 + i)}t-0`;
    const tokens = (i: number): string => `Bearer t-${i}`;
    for (const [what, headerOf, proves] of [
      ["40 spellings of a token", spellings, false],
      ["40 spellings of a token that was proven", spellings, true],
      ["40 tokens of a caller", tokens, true],
      ["40 tokens of a caller that come for the first time", tokens, false],
    ] as const) {
      const idIn = (authorization: string): string | null => CALLERS.get(authorization.replace(/^bearer +/i, "")) ?? null;
      const callers = {
        knownCaller: (authorization: string) => (proves ? idIn(authorization) : null),
        provenCaller: (authorization: string) => Promise.resolve(idIn(authorization)),
      };
      const ends: (() => void)[] = [];
      const decide = (): Promise<void> => new Promise((resolve) => ends.push(resolve));
      const timers = { ...system.timers, after: (_ms: number, call: () => void) => (queueMicrotask(call), () => undefined) };
      const admit = admitByCaller(callers, admission(MAX, timers, SHARE));
      const asked = Array.from({ length: 40 }, (_, i) =>
        admit(decide, { headers: { authorization: headerOf(i) }, socket: new Socket() }).then(
          () => true,
          () => false,
        ),
      );
      await new Promise(setImmediate);
      const begun = ends.length;
      const other = admit(decide, { headers: { authorization: "Bearer another" }, socket: new Socket() }).then(
        () => true,
        () => false,
      );
      await new Promise(setImmediate);
      const found = ends.length > begun;
      for (const end of ends) end();
      await Promise.all(asked);
      await other;
      // Those that come before there is contention may be of anybody.
      if (begun > 2 * SHARE) return `${what}: ${begun} are decided at once`;
      if (!found) return `${what}: another caller finds no room`;
    }
    return null;
  },
  without: {
    "the scheme being taken off": [
      cut.text("http/share.js", "standIn", 'authorization.replace(/^\\S+ +/, "")', "authorization"),
      cut.never("http/share.js", "admitByCaller", "known"),
      cut.call("http/share.js", "admitByCaller", "provenCaller", "Promise.resolve(null as string | null)"),
    ],
    "tokens being proven while there is contention": [cut.always("http/share.js", "admitByCaller", "contended")],
  },
});

threat("A17", "what a caller has under way before its token is proven counts as its own once it is", {
  async check(tree) {
    const [{ admission }, { admitByCaller }] = await Promise.all([tree("http/admission.js"), tree("http/share.js")]);
    // As large as two shares, as they are by default.
    const SHARE = 4;
    let known = false;
    const callers = {
      knownCaller: (authorization: string) => (known && authorization === "Bearer t-0" ? "hostile" : null),
      provenCaller: (authorization: string) => Promise.resolve(authorization === "Bearer t-0" ? "hostile" : null),
    };
    const ends: (() => void)[] = [];
    const decide = (): Promise<void> => {
      known = true;
      return new Promise((resolve) => ends.push(resolve));
    };
    const timers = { ...system.timers, after: (_ms: number, call: () => void) => (queueMicrotask(call), () => undefined) };
    const gate = admission(2 * SHARE, timers, SHARE);
    const admit = admitByCaller(callers, gate);
    const ask = (authorization: string): Promise<boolean> =>
      // A batch of which one begins, and the others wait for it.
      admit(decide, { headers: { authorization }, socket: new Socket() }, 2 * SHARE).then(
        () => true,
        () => false,
      );
    const asked = Array.from({ length: 40 }, () => ask("Bearer t-0"));
    await new Promise(setImmediate);
    const { underWay } = gate;
    while (gate.underWay > 0) {
      for (const end of ends.splice(0)) end();
      await new Promise(setImmediate);
    }
    await Promise.all(asked);
    return underWay <= SHARE ? null : `${underWay} are under way of one caller, whose share is ${SHARE}`;
  },
  without: { "what was taken being its own": [cut.call("http/share.js", "admitByCaller", "merge", "undefined")] },
});

const PLACES = 16;

threat("A17", "whoever has all places gives one up to who has none, and nobody takes one from who has fewer", {
  async check(tree) {
    const { Places } = await tree("system/places.js");
    const places = new Places(PLACES);
    let evicted = 0;
    const hostile = Array.from({ length: 3 * PLACES }, () => places.take("hostile", () => evicted++));
    const had = hostile.filter((one) => one !== null).length;
    if (had !== PLACES || evicted !== 0) return `${had} places are had by one, and it gave up ${evicted} to itself`;
    const leaving = [];
    for (let i = 0; i < PLACES / 2; i++) {
      const leave = places.take("other", () => undefined);
      if (leave === null) return `the other finds no place beside ${PLACES - i}`;
      leaving.push(leave);
    }
    if (places.take("other", () => undefined) !== null) return "one takes a place from who would have fewer";
    if (evicted !== PLACES / 2 || places.size !== PLACES) return `${evicted} are given up, and ${places.size} taken`;
    for (const leave of leaving) leave();
    for (const leave of leaving) leave();
    return places.size === PLACES / 2 ? null : "a place that is given back twice counts twice";
  },
  without: {
    "places being given up": [cut.returns("system/places.js", "#evictFor", "false")],
    "who has fewer being spared": [cut.never("system/places.js", "#evictFor", "most", "owner")],
  },
});

threat("A17", "whoever shows no token shuts nobody out, and what stops everything has places of its own", {
  async check(tree) {
    const { httpServer } = await tree("http/server.js");
    const MAX = 32;
    const stubs = serverStubs({ connections_max: MAX });
    const server = httpServer(stubs as unknown as Parameters<typeof httpServer>[0], "0.0.0");
    const { port } = await server.listen("127.0.0.1", 0);
    const open: Peer[] = [];
    const peer = (): Peer => {
      const one = new Peer(port);
      open.push(one);
      return one;
    };
    try {
      const proven = peer();
      if ((await proven.ask("POST /decide", "Bearer good")) !== 200) throw new Error("a decision isn't answered");
      for (let i = 0; i < 3 * MAX; i++) await peer().ask("GET /healthz");
      const another = peer();
      if ((await another.ask("POST /decide", "Bearer good")) !== 200) return "anonymous connections shut a caller out";
      if ((await proven.ask("POST /decide", "Bearer good")) !== 200) return "a caller's connection is closed for an anonymous one";
      // Now each place is a caller's that has no other, and all wait for their answers.
      for (const one of [proven, another]) one.close();
      const held: Promise<number>[] = [];
      for (let i = 0; i < MAX; i++) {
        const one = peer();
        if ((await one.ask("POST /decide", `Bearer good pep-${i}`)) !== 200) continue;
        held.push(one.ask("POST /decide", `Bearer held pep-${i}`));
        while (stubs.held() < held.length) await new Promise((resolve) => setTimeout(resolve, 5));
      }
      if (held.length < MAX / 2) throw new Error(`${held.length} are held`);
      const decided = await peer().ask("POST /decide", "Bearer good");
      if (decided === 200) throw new Error("there is room still");
      if ((await peer().ask("POST /revocations", "Bearer good")) !== 200) return "nothing can be revoked";
      stubs.release();
      await Promise.all(held);
      return null;
    } finally {
      stubs.release();
      for (const one of open) one.close();
      await server.close(0);
    }
  },
  without: {
    "the oldest without a token being closed": [
      cut.call("system/connections.js", "#hasRoom", "all.find", "all.find(({ caller }) => caller !== null)"),
    ],
    "callers being told from others": [cut.call("http/server.js", "run", "connections.proved")],
    "places for what stops everything": [cut.value("system/connections.js", "constructor", "#reservedMax", "0")],
  },
});

const CONNECTIONS = 64;

threat("A17", "whoever has a good token shuts nobody out with requests that don't come to their end, and nothing once it is revoked", {
  async check(tree) {
    const { httpServer } = await tree("http/server.js");
    const stubs = serverStubs({ connections_max: CONNECTIONS });
    const server = httpServer(stubs as unknown as Parameters<typeof httpServer>[0], "0.0.0");
    const { port } = await server.listen("127.0.0.1", 0);
    const open: Peer[] = [];
    const peer = (): Peer => {
      const one = new Peer(port);
      open.push(one);
      return one;
    };
    const [slow, other] = ["Bearer good slow", "Bearer good other"];
    const within = async (ms: number, isIt: () => boolean): Promise<boolean> => {
      for (const end = performance.now() + ms; !isIt() && performance.now() < end;) await new Promise((resolve) => setTimeout(resolve, 20));
      return isIt();
    };
    try {
      const victim = peer();
      await victim.ask("POST /decide", other);
      const first = peer();
      await first.ask("POST /decide", slow);
      const flood = Array.from({ length: 2 * CONNECTIONS }, () => peer());
      for (const one of flood) one.begin("POST /decide", slow);
      if (await within(1000, () => server.connections > CONNECTIONS / 2 + 2)) return `one caller has ${server.connections} connections`;
      if (server.connections < CONNECTIONS / 4) throw new Error("it has few");
      if (!victim.isOpen) return "another caller's idle connection is closed for them";
      if ((await peer().ask("POST /decide", other)) !== 200) return "another caller isn't decided for";
      if ((await peer().ask("POST /revocations", other)) !== 200) return "nothing can be revoked";
      server.cut("slow");
      if (server.connections > CONNECTIONS / 4) return "a revoked caller has connections";
      return null;
    } finally {
      for (const one of open) one.close();
      await server.close(0);
    }
  },
  without: {
    "a bound for one caller": [cut.never("system/connections.js", "#attribute", "own", "length")],
    "connections being cut": [cut.call("http/server.js", "httpServer", "connections.cut")],
  },
});

threat("A17", "the caller with most connections gives one up, whatever it asked for, before anybody else's idle one is closed", {
  async check(tree) {
    const { httpServer } = await tree("http/server.js");
    for (const [what, send] of [
      ["requests that wait for an answer", (one: Peer, by: string) => void one.ask("POST /decide", `Bearer held ${by}`)],
      [
        "unfinished requests",
        (one: Peer, by: string): void => {
          one.begin("POST /decide", `Bearer good ${by}`);
        },
      ],
    ] as const) {
      const stubs = serverStubs({ connections_max: CONNECTIONS });
      const server = httpServer(stubs as unknown as Parameters<typeof httpServer>[0], "0.0.0");
      const { port } = await server.listen("127.0.0.1", 0);
      const open: Peer[] = [];
      const peer = (): Peer => {
        const one = new Peer(port);
        open.push(one);
        return one;
      };
      try {
        const victim = peer();
        await victim.ask("POST /decide", "Bearer good other");
        // Two callers together could have all places.
        for (let i = 0; i < CONNECTIONS; i++) {
          const one = peer();
          const by = `slow-${i % 2}`;
          await one.ask("POST /decide", `Bearer good ${by}`);
          send(one, by);
        }
        for (let i = 0; i < 3; i++)
          if ((await peer().ask("POST /decide", `Bearer good late-${i}`)) !== 200) return `${what}: a newcomer is shut out`;
        if (!victim.isOpen) return `${what}: an idle connection of another caller is closed`;
      } finally {
        stubs.release();
        for (const one of open) one.close();
        await server.close(0);
      }
    }
    return null;
  },
  without: {
    "unfinished requests being told from others": [
      cut.returns("system/connections.js", "isWhole", "true"),
      cut.value("system/connections.js", "ofMost", "most", "1"),
    ],
    "who has most being looked for": [cut.value("system/connections.js", "ofMost", "most", "1")],
  },
});
