import { readFileSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { expect } from "chai";
import { temporaryDirectory } from "../audit/temporary.js";
import { Child, placeIn, sleep, type Json, type Place, type Told } from "./child.js";
import { SmallDisk } from "./small_disk.js";
import { skip } from "../skip.js";

const PURPOSE = "customer_support";
const expires = new Date(Date.now() + 3_600_000).toISOString();
const who = { requested_by: "ada@example.com", approved_by: "lead@example.com" };
const EVENTS = "/facts/events";

/** What cuts an agent off from what it may do, and the code that its next decision has. Each has an agent of its own. */
// prettier-ignore
const NARROWING: Readonly<Record<string, { ask: (n: string) => [string, string, Json]; key: (n: string) => string; code: string }>> = {
  revoked: { ask: (n) => ["POST", "/revocations", { scope: { agent: n }, reason: n }], key: (n) => `revocation/agent/${n}`, code: "agent_revoked" },
  ownerless: { ask: (n) => ["POST", "/revocations", { scope: { owner: `owner-${n}` }, reason: n }], key: (n) => `revocation/owner/owner-${n}`, code: "owner_revoked" },
  taskless: { ask: (n) => ["POST", "/revocations", { scope: { task: `T-${n}` }, reason: n }], key: (n) => `revocation/task/T-${n}`, code: "task_revoked" },
  ungranted: { ask: (n) => ["POST", "/revocations", { scope: { grant: `G-${n}` }, reason: n }], key: (n) => `revocation/grant/G-${n}`, code: "unrelated_financials" },
  suspended: { ask: (n) => ["PATCH", `/agents/${n}`, { status: "suspended", reason: n }], key: (n) => `agent/${n}`, code: "agent_suspended" },
  retired: { ask: (n) => ["PATCH", `/agents/${n}`, { status: "revoked", reason: n }], key: (n) => `agent/${n}`, code: "agent_revoked" },
  done: { ask: (n) => ["PATCH", `/tasks/T-${n}`, { ended: true, reason: n }], key: (n) => `task/T-${n}`, code: "task_ended" },
  expired: { ask: (n) => ["PATCH", `/grants/G-${n}`, { ended: true, reason: n }], key: (n) => `grant/G-${n}`, code: "unrelated_financials" },
};

/** What gives somebody more than before. `spare` was suspended, and its task is revoked. */
const WIDENING: readonly [what: string, method: string, path: string, body: Json | string][] = [
  ["a new agent", "POST", "/agents", { id: "another", owner: "x", purposes: [PURPOSE] }],
  ["a purpose to hand on", "PATCH", "/agents/bystander", { delegates: [PURPOSE] }],
  ["an agent's return", "PATCH", "/agents/spare", { status: "active", reason: "looked at" }],
  ["a new task", "POST", "/tasks", { id: "T-another", agent: "bystander", purpose: PURPOSE, subjects: { ticket: ["x"] }, expires }],
  ["a subject for a task", "PATCH", "/tasks/T-bystander", { subjects: { customer: ["bob"] } }],
  [
    "a new grant",
    "POST",
    "/grants",
    { id: "G-another", agent: "bystander", entry: { read: "invoice", about: "other" }, ...who, reason: "why", expires },
  ],
  ["a revocation's end", "POST", "/revocations/task/T-spare/lift", { reason: "looked at" }],
  ["an import", "POST", "/facts/import?id=another", `${JSON.stringify({ agent: { id: "imported", owner: "x", purposes: [] } })}\n`],
];

describe("a service whose disk is full", function () {
  let place: Place;
  let child: Child;
  let disk: SmallDisk | null;
  let answers: Json[];

  afterEach(async () => {
    await child.kill();
    disk?.unmount();
  });

  /** A service with an agent for each row, on whose small disk there is room. False where it can't have one. */
  async function started(at: string, sections: Readonly<Record<string, Json>> = {}): Promise<boolean> {
    const folder = temporaryDirectory();
    answers = [];
    place = placeIn(folder, {
      facts: { durable_within_ms: 500, ...sections["facts"] },
      log: { segment_bytes: 64 * 1024, ...sections["log"] },
    });
    disk = SmallDisk.at(join(folder, at));
    child = new Child(place);
    await child.ready();
    for (const n of [...Object.keys(NARROWING), "bystander", "spare"]) {
      await fine("POST", "/agents", { id: n, owner: `owner-${n}`, purposes: [PURPOSE] });
      const subjects = { ticket: [`TCK-${n}`], customer: ["ada"] };
      await fine("POST", "/tasks", { id: `T-${n}`, agent: n, purpose: PURPOSE, subjects, expires });
      await fine("POST", "/grants", {
        id: `G-${n}`,
        task: `T-${n}`,
        entry: { read: "invoice", about: "other" },
        ...who,
        reason: "why",
        expires,
      });
    }
    await fine("PATCH", "/agents/spare", { status: "suspended", reason: "odd" });
    await fine("POST", "/revocations", { scope: { task: "T-spare" }, reason: "odd" });
    for (const n of Object.keys(NARROWING)) expect(await decided(n), n).to.equal("granted");
    return disk !== null;
  }

  async function fine(method: string, path: string, body: Json): Promise<Told> {
    const told = await child.told(method, path, body);
    expect(told.status, told.text).to.be.within(200, 201);
    return told;
  }

  /** A decision that a grant permits: its reason, or the problem there was instead. */
  async function decided(agent: string): Promise<string> {
    const resource = { type: "invoice", id: "I-1", attributes: { customer: "bob" } };
    const { status, body, outcome } = await child.told("POST", "/decide", {
      agent,
      purpose: PURPOSE,
      task: `T-${agent}`,
      verb: "read",
      resource,
    });
    if (status !== 200) return outcome;
    answers.push(body);
    // Outside the desk's hours that is flagged as well.
    const codes = (body["reasons"] as { code: string }[]).map(({ code }) => code).filter((code) => code !== "off_hours");
    expect(body["proceed"], codes.join()).to.equal(codes.join() === "granted");
    return codes.join();
  }

  /** Fills the disk until this is refused over and over, whatever little room a failure has given back. */
  async function fullFor(refused: () => Promise<boolean>): Promise<void> {
    for (let times = 0; times < 8;) {
      disk?.fill();
      times = (await refused()) ? times + 1 : 0;
      await sleep(100);
    }
  }

  async function until(holds: () => Promise<boolean>): Promise<void> {
    while (!(await holds())) await sleep(20);
  }

  /** Asks for a row of `NARROWING`, for the first time or again. */
  const narrow = (agent: string): Promise<Told> => fine(...(NARROWING[agent]?.ask(agent) ?? ["", "", {}]));

  async function widen(refused: string): Promise<void> {
    for (const [what, method, path, body] of WIDENING) {
      const type = typeof body === "string" ? "application/jsonl" : "application/json";
      const revision = String((await child.told("GET", "/agents/bystander")).body["revision"]);
      const headers = path === "/agents/bystander" ? { "if-match": `"${revision}"` } : {};
      expect((await child.ask(method, path, { body, type, headers }))?.outcome, what).to.equal(refused);
    }
  }

  /** Nothing of what was refused is there, and all of it can be had now. */
  async function widened(): Promise<void> {
    for (const path of ["/agents/another", "/tasks/T-another", "/grants/G-another", "/agents/imported"]) {
      expect((await child.told("GET", path)).status, path).to.equal(404);
    }
    expect(await decided("spare")).to.equal("agent_suspended");
    expect((await child.told("GET", "/revocations/task/T-spare")).body).to.include({ lifted: null });
    expect((await child.told("GET", "/agents/bystander")).body["delegates"]).to.deep.equal([]);
    await fine("POST", "/agents", { id: "another", owner: "x", purposes: [PURPOSE] });
  }

  /** The changes of a key; none while the store can't be asked. */
  const kept = async (key: string): Promise<Json[]> => ((await child.told("GET", `${EVENTS}?key=${key}`)).body["items"] ?? []) as Json[];

  async function killed(): Promise<void> {
    await child.kill();
    child = new Child(place);
    await child.ready();
  }

  async function allCutOff(): Promise<void> {
    for (const [n, { code }] of Object.entries(NARROWING)) expect(await decided(n), n).to.equal(code);
  }

  /** Records in their order, without a gap: each answer has its own, and each change, in the order of revisions. */
  async function checkRecords(): Promise<void> {
    const lines = readdirSync(place.records)
      .filter((name) => name.endsWith(".jsonl"))
      .sort()
      .flatMap((name) => readFileSync(join(place.records, name), "utf8").split("\n").slice(0, -1));
    const records = lines.map((line) => JSON.parse(line) as { seq: number; kind: string; facts_revision?: number | null; answer?: Json });
    expect(records.map(({ seq }) => seq)).to.deep.equal(records.map((_, i) => i + 1));
    const recorded = new Map(records.map(({ answer }) => [answer?.["decision_id"], answer]));
    for (const answer of answers) expect(recorded.get(answer["decision_id"])).to.deep.equal(answer);
    const revisions = records.flatMap(({ kind, facts_revision: at }) => (kind === "facts" && at !== null ? [at] : []));
    const kept = await child.all(EVENTS, "after", "0");
    expect(revisions).to.deep.equal(kept.map(({ revision }) => revision));
  }

  it("under its store: refuses what widens, cuts off at once what is to be cut off, decides on, and stores it all once there is room", async function () {
    if (!(await started("store"))) skip(this, "no tmpfs can be mounted");
    let n = 0;
    const refusedAgent = async (): Promise<boolean> => {
      const { status, outcome } = await child.told("POST", "/agents", { id: `filler-${n++}`, owner: "x".repeat(200), purposes: [] });
      if (status !== 201) expect(outcome).to.equal("503 store_unavailable");
      return status !== 201;
    };
    await fullFor(refusedAgent);

    for (const [agent, { code }] of Object.entries(NARROWING)) {
      const { body, text } = await narrow(agent);
      expect(body, text).to.include({ in_force: "node", durable: false, problem: "store_unavailable" });
      expect(await decided(agent), agent).to.equal(code);
    }
    await widen("503 store_unavailable");
    expect(await decided("bystander")).to.equal("granted");
    const { status, body } = await child.told("GET", "/readyz");
    expect([status, body]).to.deep.equal([200, { ready: true, bundle: true, facts: false, log: true, accepting: true }]);
    // Asked again, it is neither forgotten nor said to be durable.
    for (const agent of Object.keys(NARROWING)) {
      expect((await narrow(agent)).body, agent).to.include({ durable: false, problem: "store_unavailable" });
    }
    await allCutOff();

    disk?.free();
    for (const [agent, { key }] of Object.entries(NARROWING)) {
      await until(async () => (await kept(key(agent))).at(-1)?.["reason"] === agent);
    }
    expect((await narrow("revoked")).body).to.include({ durable: true, problem: null });

    await killed();
    await allCutOff();
    expect(await decided("bystander")).to.equal("granted");
    await widened();
    await checkRecords();
  });

  const UNDER_THE_LOG: readonly [what: string, at: string, sections: Record<string, Json>][] = [
    ["its log", "records", {}],
    ["its store and its log", "data", { facts: { store: "data/store" }, log: { dir: "data/records" } }],
  ];
  for (const [what, at, sections] of UNDER_THE_LOG) {
    it(`under ${what}: answers nothing without a record, cuts off all the same, and goes on by itself once there is room`, async function () {
      if (!(await started(at, sections))) skip(this, "no tmpfs can be mounted");
      await fullFor(async () => {
        const outcome = await decided("bystander");
        if (outcome.startsWith("503")) expect(outcome).to.equal("503 log_unavailable");
        return outcome.startsWith("503");
      });

      for (const agent of Object.keys(NARROWING)) {
        const { body, text } = await narrow(agent);
        expect(body, text).to.include({ in_force: "node", durable: false });
        expect(body["problem"]).to.be.oneOf(["log_unavailable", ...(at === "data" ? ["store_unavailable"] : [])]);
        expect(await decided(agent), agent).to.equal("503 log_unavailable");
      }
      if (at === "records") await widen("503 log_unavailable");
      expect((await child.told("GET", "/readyz")).body).to.include({ ready: false, log: false, bundle: true });
      expect((await child.told("GET", "/agents/revoked")).status).to.equal(200);

      disk?.free();
      await until(async () => (await child.told("GET", "/readyz")).status === 200);
      await allCutOff();
      expect(await decided("bystander")).to.equal("granted");
      for (const agent of Object.keys(NARROWING)) await until(async () => (await narrow(agent)).body["durable"] === true);
      await checkRecords();

      await killed();
      await allCutOff();
      expect(await decided("bystander")).to.equal("granted");
      await widened();
      await checkRecords();
    });
  }
});
