import { existsSync, readFileSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect } from "chai";
import { stringify } from "yaml";
import { lessons } from "../../src/audit/log/fold.js";
import { BehaviorProfile } from "../../src/behavior/profile.js";
import { rederive, type RederivedCounts } from "../../src/replay/behavior.js";
import { readConfig } from "../../src/system/config.js";
import { system } from "../../src/system/index.js";
import { tell } from "../../src/service/recorded_profile.js";
import { rederiving } from "../../src/service/rederivation.js";
import { temporaryDirectory } from "../audit/temporary.js";
import { COMPILER_BUILD_MS_MAX, KEY, build } from "../build/support.js";
import { publicPem } from "../bundle/support.js";
import { Child, placeIn, sleep, type Json, type Place } from "./child.js";

const AGENTS_MAX = 10_000;
const NDJSON = "application/x-ndjson";

const AGENTS = ["support-1", "support-2", "support-3"];
const task = (agent: string): string => `T-${agent}`;
const PURPOSE = "it_helpdesk";
const tasksOf = (agents: readonly string[]): Json =>
  Object.fromEntries(
    agents.map((agent) => [
      task(agent),
      { agent, purpose: PURPOSE, subjects: { incident: ["INC-1"], employee: ["ada"] }, attributes: { urgency: "low" } },
    ]),
  );
const facts = {
  agents: Object.fromEntries(AGENTS.map((id) => [id, { owner: "desk", purposes: [PURPOSE] }])),
  tasks: tasksOf(AGENTS),
};

/** Always open: what is flagged for its hour teaches nothing. */
const ALWAYS = {
  "purposes.yaml": (text: string): string => text.replace('mon-fri: "07:00-19:00"', 'mon-sun: "00:00-24:00"'),
};

const action = (agent: string, verb: string, type: string, id: string | null, owner = "ada"): Json => ({
  agent,
  purpose: PURPOSE,
  task: task(agent),
  verb,
  resource: { type, id, attributes: type === "incident" ? { reporter: owner } : { owner } },
  context: { session: `s-${agent}`, source: "wl-1" },
});

/** Some more of its work, and then what none of them did before: one account after another, in a burst. */
function* work(rounds: number): Generator<Json> {
  for (let i = 0; i < rounds; i++) {
    for (const agent of AGENTS) {
      yield action(agent, "read", "incident", "INC-1");
      yield action(agent, "read", "account", "ada");
    }
  }
  for (let i = 0; i < rounds; i++) yield action("support-1", "read", "account", `stranger-${i}`, `stranger-${i}`);
  for (let i = 0; i < rounds; i++) yield action("support-1", i % 2 === 0 ? "delete" : "destroy", "account", "ada");
}

const [HOUR_MS, DAY_MS] = [3_600_000, 86_400_000];

/** Three weeks of work as they were reported, so that something is usual: eight hours a day, an incident every twenty minutes. */
function weeks(agents: readonly string[] = AGENTS, began = Math.floor(Date.now() / DAY_MS) * DAY_MS - 21 * DAY_MS + 8 * HOUR_MS): string {
  const lines: string[] = [];
  for (let day = 0; day < 21; day++) {
    for (let minute = 0; minute < 8 * 60; minute += 20) {
      for (const agent of agents) {
        const at = new Date(began + day * DAY_MS + minute * 60_000).toISOString();
        const does = [action(agent, "read", "incident", "INC-1"), action(agent, "read", "account", "ada")];
        for (const one of does) lines.push(JSON.stringify({ ...one, at }));
      }
    }
  }
  return lines.join("\n");
}

async function ask(child: Child, all: Json[]): Promise<void> {
  const [first, second, third] = [
    all.slice(0, all.length / 3),
    all.slice(all.length / 3, (2 * all.length) / 3),
    all.slice((2 * all.length) / 3),
  ];
  const observed = third.map((one) => JSON.stringify({ ...one, at: new Date().toISOString() })).join("\n");
  await Promise.all([
    ...first.map((body) => child.ask("POST", "/decide", { body })),
    child.ask("POST", "/decide/batch", { body: { actions: second.slice(0, 100) } }),
    child.ask("POST", "/observe", { body: observed, type: NDJSON }),
  ]);
}

/** How odd each recorded action is by the records alone. */
const derived = (records: string): Promise<RederivedCounts> =>
  rederive(records, rederiving, system.timers, {
    differing: (one) => expect.fail(JSON.stringify(one)),
    unreadable: (one) => expect.fail(JSON.stringify(one)),
    progress: () => undefined,
  });

/** The snapshot of what records up to one tell, told one after the other. */
function toldFromTheFirst(records: string, to: number): Buffer {
  const profile = new BehaviorProfile({ agents_max: AGENTS_MAX });
  for (const { lesson } of lessons(records, 1, to)) {
    if (lesson.of !== "unreadable" && lesson.of !== "started") tell(profile, lesson);
  }
  const snapshot = profile.beginSnapshot(to);
  const pieces: Uint8Array[] = [];
  for (let piece = snapshot.slice(1000); piece !== null; piece = snapshot.slice(1000)) pieces.push(Buffer.from(piece));
  return Buffer.concat(pieces);
}

describe("what is usual outlives its service", function () {
  this.timeout(COMPILER_BUILD_MS_MAX);

  let bundle: Json = {};
  before(async () => {
    const folder = temporaryDirectory();
    const { archive } = await build(ALWAYS, { name: PURPOSE });
    writeFileSync(join(folder, "bundle.tar.gz"), archive);
    writeFileSync(join(folder, "key.pem"), publicPem(KEY));
    bundle = { name: PURPOSE, path: join(folder, "bundle.tar.gz"), keys: [join(folder, "key.pem")] };
  });

  function placed(folder: string, behavior: Json = {}): Place {
    const place = placeIn(folder, {
      bundle,
      behavior: { snapshot_ms: 1000, ...behavior },
      log: { segment_bytes: 65_536 },
      observe: { age_max_ms: 30 * DAY_MS },
    });
    writeFileSync(readConfig(place.config).facts.file ?? "", stringify(facts));
    return place;
  }
  const snapshotOf = (place: Place): string => join(place.records, "behavior", "profile");
  const seqOf = (bytes: Buffer): number => BehaviorProfile.restore(bytes, { agents_max: AGENTS_MAX }).seq;

  it("is the same, to the byte, however often it is killed while it works", async () => {
    const place = placed(temporaryDirectory());
    const first = new Child(place);
    await first.ready();
    const told = await first.ask("POST", "/observe", { body: weeks(), type: NDJSON });
    expect(told?.body).to.include({ accepted: 21 * 24 * 3 * 2, stopped: null });
    await first.kill();
    for (let kill = 0; kill < 6; kill++) {
      const child = new Child(place);
      await child.ready();
      const asked = ask(child, [...work(12)]);
      await sleep(40 + 150 * kill);
      await child.kill();
      await asked;
    }
    const last = new Child(place);
    await last.ready();
    await ask(last, [...work(4)]);
    const back = (agent: string, days: number) =>
      last.ask("POST", `/agents/${agent}/profile/rollback`, {
        body: { to: new Date(Date.now() - days * DAY_MS).toISOString(), reason: "an incident" },
      });
    expect(await back("support-1", 400)).to.deep.include({ status: 404 });
    expect(await back("support-1", 1)).to.deep.include({ status: 200 });
    await ask(last, [...work(4)]);
    expect(await last.stop(), last.said).to.equal(0);

    const { actions, identical, odd } = await derived(place.records);
    expect(actions).to.be.greaterThan(100);
    expect(identical, "as it was while it was decided").to.equal(actions);
    expect(odd, "and something was unusual").to.be.greaterThan(10);
    const kept = readFileSync(snapshotOf(place));
    expect(kept.equals(toldFromTheFirst(place.records, seqOf(kept))), "the same bytes").to.equal(true);
  });

  const SPOILT: [what: string, spoil: (file: string) => void, said: RegExp][] = [
    [
      "is gone",
      (file) => {
        rmSync(file);
      },
      /"snapshot":0/,
    ],
    [
      "is damaged",
      (file) => {
        const bytes = readFileSync(file);
        bytes.writeUInt8(bytes.readUInt8(bytes.length >> 1) ^ 1, bytes.length >> 1);
        writeFileSync(file, bytes);
      },
      /snapshot_unfit/,
    ],
    [
      "is cut short",
      (file) => {
        writeFileSync(file, readFileSync(file).subarray(0, 100));
      },
      /snapshot_unfit/,
    ],
    [
      "is empty",
      (file) => {
        writeFileSync(file, "");
      },
      /snapshot_unfit/,
    ],
    [
      "is of another algorithm",
      (file) => {
        const bytes = readFileSync(file);
        bytes.writeUInt32LE(77, 16);
        writeFileSync(file, bytes);
      },
      /snapshot_unfit/,
    ],
  ];
  for (const [what, spoil, said] of SPOILT) {
    it(`is learned from the records where its snapshot ${what}`, async () => {
      const place = placed(temporaryDirectory());
      const child = new Child(place);
      await child.ready();
      await ask(child, [...work(6)]);
      await child.stop();
      const before = readFileSync(snapshotOf(place));
      spoil(snapshotOf(place));
      const next = new Child(place);
      await next.ready();
      expect(next.said).to.match(said);
      await ask(next, [...work(3)]);
      expect(await next.stop(), next.said).to.equal(0);
      const { actions, identical } = await derived(place.records);
      expect(identical).to.equal(actions);
      const kept = readFileSync(snapshotOf(place));
      expect(seqOf(kept)).to.be.greaterThan(seqOf(before));
      expect(kept.equals(toldFromTheFirst(place.records, seqOf(kept)))).to.equal(true);
    });
  }

  it("opens a finding when several agents of one owner begin to do what none of them did, and none when one does", async () => {
    const teams = Array.from({ length: 12 }, (_, i) => ({ agent: `worker-${i}`, owner: `team-${i % 2}` }));
    const agents = teams.map(({ agent }) => agent);
    const place = placed(temporaryDirectory());
    const owned = Object.fromEntries(teams.map(({ agent, owner }) => [agent, { owner, purposes: [PURPOSE] }]));
    writeFileSync(readConfig(place.config).facts.file ?? "", stringify({ agents: owned, tasks: tasksOf(agents) }));
    const child = new Child(place);
    await child.ready();
    // This hour is in the middle of their days, whichever it is.
    const told = await child.ask("POST", "/observe", { body: weeks(agents, Date.now() - 21 * DAY_MS - 4 * HOUR_MS), type: NDJSON });
    expect(told?.body).to.include({ accepted: 21 * 24 * agents.length * 2, stopped: null });
    const does = async (agent: string, verb: string): Promise<void> => {
      const body = action(agent, verb, "account", verb === "search" ? null : "ada");
      const { body: answer } = await child.told("POST", "/decide", body);
      expect(answer["decision"], JSON.stringify(answer["reasons"])).to.equal("allow");
    };
    const found = async (): Promise<Json[]> => (await child.told("GET", "/findings?code=unusual_in_group")).body["items"] as Json[];
    for (const agent of agents) await does(agent, "read");
    const [first = "", ...others] = teams.filter(({ owner }) => owner === "team-1").map(({ agent }) => agent);
    await does(first, "search");
    expect(await found()).to.deep.equal([]);
    for (const agent of others) await does(agent, "search");
    while ((await found()).length === 0) await sleep(20);
    expect((await found())[0]).to.deep.include({ purpose: PURPOSE, agent: null });
    await child.stop();
  });

  it("isn't learned where it is turned off, and its records say nothing of it", async () => {
    const place = placed(temporaryDirectory(), { enabled: false });
    const child = new Child(place);
    await child.ready();
    await ask(child, [...work(6)]);
    await child.stop();
    expect(existsSync(snapshotOf(place))).to.equal(false);
    const [segment = ""] = readdirSync(place.records).filter((name) => name.endsWith(".jsonl"));
    const text = readFileSync(join(place.records, segment), "utf8");
    expect(text).to.include('"kind":"decision"').and.include('"behavior":null').and.not.include('"act":{');
    expect((await derived(place.records)).actions).to.equal(0);
  });
});
