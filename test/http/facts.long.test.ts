import { expect } from "chai";
import { parse } from "yaml";
import { AGENT, EVERY, ask, decided, inAnHour, runWithFacts, withAgent, type Asking, type Json, type Told } from "./asking.js";
import { codeOf, raw, tokenFor, type Running } from "./running.js";

const TASK = { id: "T-1", agent: "a-1", purpose: "testing", subjects: { customer: ["ada"] } };
const GRANT = {
  id: "G-1",
  agent: "a-1",
  entry: { read: "note" },
  reason: "a chargeback",
  requested_by: "ada@example.com",
  approved_by: "bob@example.com",
};
const task = (changes: object = {}): Json => ({ ...TASK, expires: inAnHour(), ...changes });
const grant = (changes: object = {}): Json => ({ ...GRANT, expires: inAnHour(), ...changes });

/** A name one short of what a problem shows of it. */
const LONG = "x".repeat(127);

describe("facts over HTTP", () => {
  let service: Running;
  const start = async (): Promise<void> => {
    service = await runWithFacts();
    await withAgent(service);
  };
  const asked = (method: string, path: string, body?: unknown, asking: Asking = {}): Promise<Told> =>
    ask(service, method, path, { ...(body === undefined ? {} : { body }), ...asking });
  const outcome = async (...args: Parameters<typeof asked>): Promise<string> => (await asked(...args)).outcome;
  const ids = async (path: string, token = EVERY): Promise<unknown[]> =>
    ((await asked("GET", path, undefined, { token })).body["items"] as Json[]).map(({ id }) => id);

  describe("as hosts and operators use them:", () => {
    beforeEach(start);
    afterEach(() => service.stop());

    it("registers an agent once, however often it is asked, and lets it act at once", async () => {
      const body = { id: "a-2", owner: "x", purposes: ["testing"], name: "Second", reason: "a new desk" };
      const created = await asked("POST", "/agents", body);
      expect(created.body).to.include({ id: "a-2", version: "1", name: "Second", status: "active", token: "optional" });
      const again = await asked("POST", "/agents", body);
      expect([created.status, again.status]).to.deep.equal([201, 200]);
      expect(again.body).to.deep.equal(created.body);
      const { facts_revision } = created.body;
      expect(await decided(service, { agent: "a-2", at_least: facts_revision })).to.equal("allow permitted");
    });

    it("changes an agent only on the revision that was read, which is its ETag", async () => {
      const read = await asked("GET", "/agents/a-1");
      const etag = read.headers.get("etag") ?? "";
      expect(etag).to.equal(`"${String(read.body["revision"])}"`);
      const change = (owner: string, tag: string): Promise<Told> =>
        asked("PATCH", "/agents/a-1", { owner }, { headers: { "if-match": tag } });
      const first = await change("first", etag);
      expect(first.body).to.include({ owner: "first", revision: Number(read.body["revision"]) + 1 });
      expect((await change("second", etag)).outcome).to.equal("412 revision_stale");
      expect((await change("second", first.headers.get("etag") ?? "")).body).to.include({ owner: "second" });
    });

    it("takes one of many changes that were based on the same revision", async () => {
      const etag = (await asked("GET", "/agents/a-1")).headers.get("etag") ?? "";
      const headers = { "if-match": etag };
      const all = Array.from({ length: 20 }, (_, i) => asked("PATCH", "/agents/a-1", { owner: `o-${i}` }, { headers }));
      const found = (await Promise.all(all)).map(({ outcome: how }) => how).sort();
      expect(found).to.deep.equal(["200", ...Array.from({ length: 19 }, () => "412 revision_stale")]);
    });

    it("suspends, restores and retires an agent by its status, each at once, with its reason on record", async () => {
      const status = (to: string): Promise<Told> => asked("PATCH", "/agents/a-1", { status: to, reason: `now ${to}` });
      const suspended = await status("suspended");
      expect(suspended.body).to.include({ status: "suspended", in_force: "node", durable: true, problem: null });
      expect(await decided(service)).to.equal("deny agent_suspended");
      expect((await status("active")).body).not.to.have.property("in_force");
      expect(await decided(service)).to.equal("allow permitted");
      await status("revoked");
      expect(await decided(service)).to.equal("deny agent_revoked");
      expect((await status("active")).outcome).to.equal("400 fact_invalid /status");
      expect(await outcome("POST", "/agents", AGENT)).to.equal("409 agent_id_used /id");
      const { items } = (await asked("GET", "/facts/events?key=agent%2Fa-1")).body as { items: Json[] };
      expect(items.map(({ change, reason, by }) => [change, reason, by])).to.deep.equal([
        ["agent_created", null, "gateway-1"],
        ["agent_suspended", "now suspended", "gateway-1"],
        ["agent_restored", "now active", "gateway-1"],
        ["agent_revoked", "now revoked", "gateway-1"],
      ]);
    });

    it("gives a task with a signed token that stands for it, and another token later", async () => {
      const created = await asked("POST", "/tasks?token=true", task());
      expect(created.status).to.equal(201);
      const first = created.body["task_token"] as string;
      expect(await decided(service, { task_token: first })).to.equal("allow permitted");
      const again = await asked("POST", "/tasks/T-1/token");
      expect(again.body["task"]).to.equal("T-1");
      expect(await decided(service, { task_token: again.body["task_token"] })).to.equal("allow permitted");
      expect((await asked("GET", "/tasks/T-1")).body).not.to.have.property("task_token");
      const ended = await asked("PATCH", "/tasks/T-1", { ended: true, reason: "closed" });
      expect(ended.body).to.nested.include({ "ended.reason": "closed", in_force: "node", durable: true });
      expect(await decided(service, { task_token: first })).to.equal("deny task_ended");
      expect(await outcome("POST", "/tasks/T-1/token")).to.equal("409 task_over");
      expect(await outcome("POST", "/tasks/T-2/token")).to.equal("404 task_not_found");
    });

    it("grants for a while, counts, and finds what was never used", async () => {
      expect((await asked("POST", "/grants", grant({ uses: 2 }))).body).to.include({
        state: "live",
        used: 0,
        fits: true,
      });
      expect(await outcome("POST", "/grants", grant({ id: "G-2", agent: undefined, task: "T-1" }))).to.equal("400 fact_invalid /task");
      expect(await ids("/grants?unused=true")).to.deep.equal(["G-1"]);
      expect(await ids("/grants?unused=false")).to.deep.equal([]);
      const ended = await asked("PATCH", "/grants/G-1", { ended: true, reason: "done" });
      expect(ended.body).to.include({ state: "ended", in_force: "node", durable: true });
      expect(await ids("/grants?state=live&agent=a-1")).to.deep.equal([]);
      expect(await ids("/grants?state=ended&agent=a-1")).to.deep.equal(["G-1"]);
    });

    it("revokes at once, names the revision from which on it is known, and lifts as a change of its own", async () => {
      const revoked = await asked("POST", "/revocations", { scope: { agent: "a-1" }, reason: "incident 12" });
      const { revision } = revoked.body;
      expect(revoked.body).to.include({ id: "agent/a-1", in_force: "node", durable: true, by: "gateway-1" });
      const after = await asked("POST", "/decide", {
        agent: "a-1",
        purpose: "testing",
        verb: "read",
        resource: { type: "note", id: "n", attributes: {} },
      });
      expect(after.body["facts_revision"]).to.be.at.least(revision as number);
      expect(after.body).to.nested.include({ decision: "deny", "reasons[0].code": "agent_revoked" });
      const read = await asked("GET", "/revocations/agent/a-1");
      const lift = { reason: "a mistake" };
      expect(await outcome("POST", "/revocations/agent/a-1/lift", lift, { headers: { "if-match": '"1"' } })).to.equal("412 revision_stale");
      const headers = { "if-match": read.headers.get("etag") ?? "" };
      const lifted = await asked("POST", "/revocations/agent/a-1/lift", lift, { headers });
      expect(lifted.body).to.nested.include({ "lifted.reason": "a mistake", "lifted.by": "gateway-1" });
      expect(await decided(service)).to.equal("allow permitted");
      expect(await ids("/revocations?in_force=true")).to.deep.equal([]);
      expect(await ids("/revocations?scope=agent&in_force=false")).to.deep.equal(["agent/a-1"]);
    });

    it("lists in pages that go on where the last one ended, whatever is added meanwhile", async () => {
      for (const id of ["b", "c", "d", "e"]) await withAgent(service, { id });
      const first = (await asked("GET", "/agents?limit=2")).body as { items: Json[]; next: string };
      expect(first.items.map(({ id }) => id)).to.deep.equal(["a-1", "b"]);
      await withAgent(service, { id: "aa" });
      const second = (await asked("GET", `/agents?limit=2&cursor=${first.next}`)).body as {
        items: Json[];
        next: string;
      };
      expect(second.items.map(({ id }) => id)).to.deep.equal(["c", "d"]);
      expect((await asked("GET", `/agents?cursor=${second.next}`)).body).to.deep.include({ next: null });
    });

    it("tells every change that is kept, from any revision on", async () => {
      const { body } = await asked("POST", "/tasks", task());
      const after = body["revision"] as number;
      await asked("PATCH", "/tasks/T-1", { subjects: { customer: ["bob"] }, reason: "a family account" });
      await asked("PATCH", "/tasks/T-1", { ended: true });
      const page = (await asked("GET", `/facts/events?after=${after}&limit=1`)).body as { items: Json[]; next: string };
      expect(page.items).to.have.lengthOf(1);
      expect(page.items[0]).to.deep.include({ revision: after + 1, key: "task/T-1", change: "task_changed", reason: "a family account" });
      const rest = (await asked("GET", `/facts/events?after=${page.next}`)).body as { items: Json[] };
      expect(rest.items.map(({ change }) => change)).to.deep.equal(["task_ended"]);
    });
  });

  describe("refuses, and changes nothing,", () => {
    before(start);
    after(() => service.stop());

    // prettier-ignore
    const bad: [what: string, method: string, path: string, body: unknown, found: string][] = [
      ["an agent without an owner", "POST", "/agents", { id: "b", purposes: [] }, "400 field_missing /owner"],
      ["an agent without purposes", "POST", "/agents", { id: "b", owner: "x" }, "400 field_missing /purposes"],
      ["an agent with a field of its own", "POST", "/agents", { ...AGENT, id: "b", role: "admin" }, "400 field_unknown /role"],
      ["an agent with a status", "POST", "/agents", { ...AGENT, id: "b", status: "active" }, "400 field_unknown /status"],
      ["an agent with half a character at the clip", "POST", "/agents", { ...AGENT, id: "b", [LONG + "\u{1f600}"]: 1 }, `400 field_unknown /${LONG}`],
      ["an agent whose id is a path", "POST", "/agents", { ...AGENT, id: "../b" }, "400 field_invalid /id"],
      ["an agent whose id has letters of another script", "POST", "/agents", { ...AGENT, id: "\u0430-1" }, "400 field_invalid /id"],
      ["an agent whose id differs by case", "POST", "/agents", { ...AGENT, id: "A-1" }, "409 agent_id_similar /id"],
      ["an agent whose id looks the same", "POST", "/agents", { ...AGENT, id: "a-l" }, "409 agent_id_similar /id"],
      ["another agent of the same id", "POST", "/agents", { ...AGENT, owner: "eve" }, "409 agent_exists /id"],
      ["a purpose that the bundle doesn't know", "POST", "/agents", { ...AGENT, id: "b", purposes: ["flying"] }, "400 fact_invalid /purposes/0"],
      ["a purpose twice", "POST", "/agents", { ...AGENT, id: "b", purposes: ["testing", "testing"] }, "400 field_invalid /purposes"],
      ["an owner that isn't canonical", "POST", "/agents", { ...AGENT, id: "b", owner: "x\u202e" }, "400 identifier_not_canonical /owner"],
      ["an attribute that the vocabulary doesn't name", "POST", "/agents", { ...AGENT, id: "b", attributes: { tier: 1 } }, "400 fact_invalid /attributes/tier"],
      ["a credential without its subject", "POST", "/agents", { ...AGENT, id: "b", credentials: [{ issuer: "x" }] }, "400 field_missing /credentials/0/subject"],
      ["a change of nothing", "PATCH", "/agents/a-1", {}, "400 field_invalid "],
      ["a change of an agent that isn't there", "PATCH", "/agents/b", { owner: "x" }, "404 agent_not_found"],
      ["a status without a reason", "PATCH", "/agents/a-1", { status: "suspended" }, "400 field_missing /reason"],
      ["a status that is none", "PATCH", "/agents/a-1", { status: "asleep", reason: "x" }, "400 field_invalid /status"],
      ["a status beside other changes", "PATCH", "/agents/a-1", { status: "suspended", owner: "x", reason: "x" }, "400 fact_invalid /status"],
      ["an agent's new id", "PATCH", "/agents/a-1", { id: "b" }, "400 field_unknown /id"],
      ["a change that doesn't say what it is based on", "PATCH", "/agents/a-1", { owner: "x" }, "428 revision_required"],
      ["a task without an end", "POST", "/tasks", { ...TASK }, "400 field_missing /expires"],
      ["a task of an unknown agent", "POST", "/tasks", task({ agent: "b" }), "400 fact_invalid /agent"],
      ["a task for a purpose that the agent hasn't", "POST", "/tasks", task({ purpose: "flying" }), "400 fact_invalid /purpose"],
      ["a task that is over already", "POST", "/tasks", task({ expires: "2020-01-01T00:00:00Z" }), "400 fact_invalid /expires"],
      ["a task that ends too late", "POST", "/tasks", task({ expires: "2999-01-01T00:00:00Z" }), "400 fact_invalid /expires"],
      ["a task about an unknown subject type", "POST", "/tasks", task({ subjects: { ticket: ["1"] } }), "400 fact_invalid /subjects/ticket"],
      ["a task handed on from none", "POST", "/tasks", task({ parent: "T-0" }), "400 fact_invalid /parent"],
      ["a task handed on from itself", "POST", "/tasks", task({ parent: "T-1" }), "400 fact_invalid /parent"],
      ["an end that isn't one", "PATCH", "/tasks/T-0", { ended: false }, "400 field_invalid /ended"],
      ["an end with subjects", "PATCH", "/tasks/T-0", { ended: true, subjects: {} }, "404 task_not_found"],
      ["a grant without an end", "POST", "/grants", { ...GRANT }, "400 field_missing /expires"],
      ["a grant for a year", "POST", "/grants", grant({ expires: "2999-01-01T00:00:00Z" }), "400 fact_invalid /expires"],
      ["a grant that is over already", "POST", "/grants", grant({ expires: "2020-01-01T00:00:00Z" }), "400 fact_invalid /expires"],
      ["a grant to nobody", "POST", "/grants", grant({ agent: undefined }), "400 fact_invalid /agent"],
      ["a grant to two", "POST", "/grants", grant({ task: "T-1" }), "400 fact_invalid /agent"],
      ["a grant of nothing", "POST", "/grants", grant({ entry: undefined }), "400 field_missing /entry"],
      ["a grant of an unknown type", "POST", "/grants", grant({ entry: { read: "invoice" } }), "400 fact_invalid /entry/read"],
      ["a grant that nobody has approved", "POST", "/grants", grant({ approved_by: undefined }), "400 field_missing /approved_by"],
      ["a grant without a reason", "POST", "/grants", grant({ reason: "" }), "400 field_invalid /reason"],
      ["a grant for no use", "POST", "/grants", grant({ uses: 0 }), "400 field_invalid /uses"],
      ["the end of a grant that isn't there", "PATCH", "/grants/G-9", { ended: true, reason: "x" }, "404 grant_not_found"],
      ["a revocation without a reason", "POST", "/revocations", { scope: { agent: "a-1" } }, "400 field_missing /reason"],
      ["a revocation of nothing", "POST", "/revocations", { scope: {}, reason: "x" }, "400 field_invalid /scope"],
      ["a revocation of two", "POST", "/revocations", { scope: { agent: "a-1", owner: "tests@example.com" }, reason: "x" }, "400 field_invalid /scope"],
      ["a revocation of an unknown scope", "POST", "/revocations", { scope: { team: "x" }, reason: "x" }, "400 field_unknown /scope/team"],
      ["a revocation of everything that isn't true", "POST", "/revocations", { scope: { everything: false }, reason: "x" }, "400 field_invalid /scope/everything"],
      ["a revocation of an agent that isn't there", "POST", "/revocations", { scope: { agent: "b" }, reason: "x" }, "400 fact_invalid /scope/agent"],
      ["a revocation of a purpose that nobody has", "POST", "/revocations", { scope: { purpose: "flying" }, reason: "x" }, "400 fact_invalid /scope/purpose"],
      ["a revocation of an owner without agents", "POST", "/revocations", { scope: { owner: "eve" }, reason: "x" }, "400 fact_invalid /scope/owner"],
      ["to narrow an agent that isn't there", "POST", "/agents/b/narrowing", { reason: "x" }, "404 agent_not_found"],
      ["to narrow without a reason", "POST", "/agents/a-1/narrowing", { actions_per_minute: 1 }, "400 field_missing /reason"],
      ["to narrow for an empty reason", "POST", "/agents/a-1/narrowing", { reason: "" }, "400 field_invalid /reason"],
      ["to narrow to nothing", "POST", "/agents/a-1/narrowing", { reason: "x", actions_per_minute: 0 }, "400 field_invalid /actions_per_minute"],
      ["to narrow to less than nothing", "POST", "/agents/a-1/narrowing", { reason: "x", actions_per_minute: -1 }, "400 field_invalid /actions_per_minute"],
      ["to narrow to a part of an action", "POST", "/agents/a-1/narrowing", { reason: "x", actions_per_minute: 1.5 }, "400 field_type /actions_per_minute"],
      ["to narrow to more than is counted", "POST", "/agents/a-1/narrowing", { reason: "x", actions_per_minute: 10_001 }, "400 field_invalid /actions_per_minute"],
      ["to narrow to many as a text", "POST", "/agents/a-1/narrowing", { reason: "x", actions_per_minute: "10" }, "400 field_type /actions_per_minute"],
      ["to narrow until something of its own", "POST", "/agents/a-1/narrowing", { reason: "x", below: 40 }, "400 field_unknown /below"],
      ["to widen what was never narrowed", "POST", "/agents/a-1/narrowing/lift", { reason: "x" }, "404 narrowing_not_found"],
      ["to roll back what was never learned", "POST", "/agents/a-1/profile/rollback", { to: "2026-01-01T00:00:00Z", reason: "x" }, "404 checkpoint_not_found /to"],
      ["to roll back nobody's habits", "POST", "/agents/a-99/profile/rollback", { to: "2026-01-01T00:00:00Z", reason: "x" }, "404 agent_not_found"],
      ["to roll back to a day that isn't", "POST", "/agents/a-1/profile/rollback", { to: "2026-02-30T00:00:00Z", reason: "x" }, "400 time_invalid /to"],
      ["to roll back to some time", "POST", "/agents/a-1/profile/rollback", { reason: "x" }, "400 field_missing /to"],
      ["to roll back for no reason", "POST", "/agents/a-1/profile/rollback", { to: "2026-01-01T00:00:00Z" }, "400 field_missing /reason"],
      ["to widen without a reason", "POST", "/agents/a-1/narrowing/lift", {}, "400 field_missing /reason"],
      ["to lift what isn't revoked", "POST", "/revocations/agent/a-1/lift", { reason: "x" }, "404 revocation_not_found"],
      ["to lift without a reason", "POST", "/revocations/everything/lift", {}, "400 field_missing /reason"],
      ["an import without an id", "POST", "/facts/import", "{}", "400 parameter_missing id"],
    ];
    for (const [what, method, path, body, found] of bad) {
      it(what, async () => {
        const before = (await asked("GET", "/facts/events")).body;
        expect(await outcome(method, path, body)).to.equal(found);
        expect((await asked("GET", "/facts/events")).body).to.deep.equal(before);
      });
    }

    const garbage: [what: string, body: string, found: string][] = [
      ["nothing", "", "400 body_empty"],
      ["half of a document", '{"id":', "400 json_invalid"],
      ["a list", "[]", "400 field_type "],
      ["a key twice", '{"reason":"x","reason":"y"}', "400 json_duplicate_key"],
      ["a number that no double holds", '{"reason":12345678901234567890}', "400 number_not_exact"],
      ["more levels than the limit", "[".repeat(100), "400 json_too_deep"],
      ["half a surrogate pair", '{"reason":"\\ud800"}', "400 surrogate_lone"],
      ["a name of prototypes", '{"__proto__":{"reason":"x"}}', "400 field_"],
    ];
    const writing: [method: string, path: string][] = [
      ["POST", "/agents"],
      ["PATCH", "/agents/a-1"],
      ["POST", "/tasks"],
      ["PATCH", "/tasks/T-1"],
      ["POST", "/grants"],
      ["PATCH", "/grants/G-1"],
      ["POST", "/agents/a-1/narrowing"],
      ["POST", "/agents/a-1/narrowing/lift"],
      ["POST", "/revocations"],
      ["POST", "/revocations/agent/a-1/lift"],
      ["POST", "/revocations/everything/lift"],
    ];
    for (const [what, body, found] of garbage) {
      it(`${what} as a body, on every route`, async () => {
        for (const [method, path] of writing) {
          const how = await outcome(method, path, body, { headers: { "content-type": "application/json" } });
          expect(how.startsWith(found.trimEnd()), `${method} ${path}: ${how}`).to.be.true;
        }
        expect(await outcome("POST", "/agents", "x".repeat(100_000))).to.equal("413 body_too_large");
      });
    }

    it("another content type, on every route", async () => {
      for (const [method, path] of [...writing, ["POST", "/facts/import?id=i"]] as const) {
        const how = await outcome(method, path, "{}", { headers: { "content-type": "text/plain" } });
        expect(how, `${method} ${path}`).to.equal("415 content_type_unsupported content-type");
      }
    });

    const queries: [path: string, found: string][] = [
      ["/agents?owners=x", "400 parameter_unknown owners"],
      ["/agents?__proto__=x", "400 parameter_unknown __proto__"],
      ["/agents?constructor", "400 parameter_unknown constructor"],
      ["/agents?owner=a&owner=b", "400 parameter_invalid owner"],
      ["/agents?owner=", "400 parameter_invalid owner"],
      ["/agents?owner", "400 parameter_invalid owner"],
      ["/agents?owner=%ff", "400 parameter_invalid owner"],
      ["/agents?owner=%", "400 parameter_invalid owner"],
      [`/agents?owner=${"x".repeat(257)}`, "400 parameter_invalid owner"],
      ["/agents?status=asleep", "400 parameter_invalid status"],
      ["/agents?limit=0", "400 parameter_invalid limit"],
      ["/agents?limit=1001", "400 parameter_invalid limit"],
      ["/agents?limit=1e2", "400 parameter_invalid limit"],
      ["/agents?limit=-1", "400 parameter_invalid limit"],
      ["/agents?limit=01", "400 parameter_invalid limit"],
      ["/agents?limit=%31%30&", "400 parameter_unknown "],
      ["/agents?cursor=!", "400 field_invalid /cursor"],
      ["/agents?cursor=YQ==", "400 field_invalid /cursor"],
      ["/tasks?live=1", "400 parameter_invalid live"],
      ["/tasks?status=live", "400 parameter_unknown status"],
      ["/grants?unused=yes", "400 parameter_invalid unused"],
      ["/grants?state=old", "400 parameter_invalid state"],
      ["/narrowings?in_force=yes", "400 parameter_invalid in_force"],
      ["/narrowings?agent=a-1", "400 parameter_unknown agent"],
      ["/narrowings?cursor=!", "400 field_invalid /cursor"],
      ["/agents/a-1/narrowing?x=1", "400 parameter_unknown x"],
      ["/agents/b/narrowing", "404 agent_not_found"],
      ["/agents/a-1/narrowing", "404 narrowing_not_found"],
      ["/revocations?scope=team", "400 parameter_invalid scope"],
      ["/revocations?in_force=TRUE", "400 parameter_invalid in_force"],
      ["/facts/events?after=-1", "400 parameter_invalid after"],
      ["/facts/events?after=99999999999999999", "400 parameter_invalid after"],
      ["/facts/events?key=", "400 parameter_invalid key"],
      ["/facts/events?prefix=agent", "400 parameter_unknown prefix"],
      ["/facts/export?format=xml", "400 parameter_invalid format"],
      ["/agents/a-1?x=1", "400 parameter_unknown x"],
      ["/revocations/everything?x", "400 parameter_unknown x"],
      ["/bundles?x=1", "400 parameter_unknown x"],
      ["/healthz?x=1", "400 parameter_unknown x"],
    ];
    for (const [path, found] of queries) {
      it(`GET ${path.slice(0, 60)}`, async () => {
        expect(await outcome("GET", path)).to.equal(found);
      });
    }

    it("a query where none is read, before the body", async () => {
      for (const [method, path] of writing.filter(([, one]) => one !== "/tasks"))
        expect(await outcome(method, `${path}?dry_run=true`, {}), path).to.equal("400 parameter_unknown dry_run");
      expect(await outcome("POST", "/tasks?token=yes", task())).to.equal("400 parameter_invalid token");
      expect(await outcome("POST", "/facts/import?id=../x", "")).to.equal("400 parameter_invalid id");
      expect(await outcome("POST", "/facts/import?id=x&dry_run=1", "")).to.equal("400 parameter_invalid dry_run");
    });

    const tags = ["7", '"x"', 'W/"7"', '"7", "8"', '"-1"', '"07"', '""', '"1e3"', '"99999999999999999999"', "**", "null"];
    for (const tag of tags) {
      it(`If-Match: ${tag}`, async () => {
        for (const [method, path, body] of [
          ["PATCH", "/agents/a-1", { owner: "x" }],
          ["PATCH", "/tasks/T-1", { ended: true }],
          ["PATCH", "/grants/G-1", { ended: true, reason: "x" }],
          ["POST", "/agents/a-1/narrowing/lift", { reason: "x" }],
          ["POST", "/revocations/agent/a-1/lift", { reason: "x" }],
        ] as const) {
          const how = await outcome(method, path, body, { headers: { "if-match": tag } });
          expect(how, path).to.equal("400 if_match_invalid if-match");
        }
      });
    }

    it("a change on any revision but the present one", async () => {
      const { revision } = (await asked("GET", "/agents/a-1")).body as { revision: number };
      for (const stale of [0, revision - 1, revision + 1, 999_999_999_999_999]) {
        const headers = { "if-match": `"${stale}"` };
        expect(await outcome("PATCH", "/agents/a-1", { owner: "x" }, { headers })).to.equal("412 revision_stale");
        const suspend = { status: "suspended", reason: "x" };
        expect(await outcome("PATCH", "/agents/a-1", suspend, { headers })).to.equal("412 revision_stale");
      }
      expect(await outcome("PATCH", "/agents/a-1", { owner: "x" }, { headers: { "if-match": "*" } })).to.equal("428 revision_required");
    });
  });

  describe("at its edges:", () => {
    before(start);
    after(() => service.stop());

    it("finds ids with slashes, percent signs and other scripts, each its own", async () => {
      const hard = ["a/b", "a/b/lift", "a:b@c/d", "x".repeat(128)];
      for (const id of hard) {
        await withAgent(service, { id, credentials: [] });
        expect((await asked("GET", `/agents/${encodeURIComponent(id)}`)).body["id"]).to.equal(id);
      }
      for (const jti of [
        "a/b",
        "a%2Fb",
        "a b",
        "ärger/ünd",
        "../x",
        "a?b#c",
        "everything",
        "日本",
        "'",
        '"',
        "&=+",
        "x".repeat(256),
        "語".repeat(200),
      ]) {
        const revoked = await asked("POST", "/revocations", { scope: { token: jti }, reason: "x" });
        expect(revoked.status, jti).to.equal(200);
        const path = `/revocations/token/${encodeURIComponent(jti)}`;
        expect((await asked("GET", path)).body).to.include({ scope: "token", of: jti });
        expect((await asked("POST", `${path}/lift`, { reason: "x" })).body["lifted"]).not.to.equal(null);
      }
      for (const [path, found] of [
        ["/agents/a%2Fc", "404 agent_not_found"],
        ["/agents/a/b", "404 not_found"],
        ["/agents/%E0%A4%A", "400 http_invalid"],
        ["/agents/%00", "404 agent_not_found"],
        ["/agents/__proto__", "404 agent_not_found"],
        ["/tasks/constructor", "404 task_not_found"],
        ["/grants/%F0%9F%98%80", "404 grant_not_found"],
        ["/revocations/team/x", "404 revocation_not_found"],
        ["/revocations/everything", "404 revocation_not_found"],
        ["/revocations/everything/x", "404 revocation_not_found"],
        ["/revocations/agent", "404 not_found"],
        ["/revocations/__proto__/x", "404 revocation_not_found"],
        ["/Agents", "404 not_found"],
        ["/agents/", "404 not_found"],
      ] as const)
        expect(await outcome("GET", path), path).to.equal(found);
    });

    it("reads a path that no URL library would send as it stands", async () => {
      await asked("POST", "/revocations", { scope: { token: ".." }, reason: "x" });
      const text = `GET /revocations/token/.. HTTP/1.1\r\nhost: 127.0.0.1:${service.port}\r\nauthorization: Bearer ${EVERY}\r\n\r\n`;
      const [found] = await raw(service.port, text, 1);
      expect(JSON.parse(found?.body ?? "")).to.include({ id: "token/.." });
    });

    it("answers other methods with those that there are", async () => {
      for (const [method, path, allowed] of [
        ["PUT", "/agents", "POST, GET"],
        ["DELETE", "/agents/a-1", "GET, PATCH"],
        ["DELETE", "/tasks/T-1", "GET, PATCH"],
        ["GET", "/tasks/T-1/token", "POST"],
        ["DELETE", "/agents/a-1/narrowing", "GET, POST"],
        ["GET", "/agents/a-1/narrowing/lift", "POST"],
        ["POST", "/narrowings", "GET"],
        ["PUT", "/revocations", "POST, GET"],
        ["DELETE", "/revocations/agent/a-1", "GET"],
        ["GET", "/facts/import", "POST"],
      ] as const) {
        const told = await asked(method, path);
        expect([told.outcome, told.headers.get("allow")], path).to.deep.equal(["405 method_not_allowed", allowed]);
      }
    });
  });

  describe("opens each route to its scopes alone:", () => {
    before(start);
    after(() => service.stop());

    const scopes = ["decide", "observe", "register", "revoke", "revoke_all", "review", "publish", "audit", "admin"];
    const reading = ["audit", "register", "revoke"];
    const everything = { scope: { everything: true }, reason: "x" };
    const rows: [method: string, path: string, body: unknown, open: string[]][] = [
      ["POST", "/agents", {}, ["register"]],
      ["GET", "/agents", undefined, reading],
      ["GET", "/agents/a-1", undefined, reading],
      ["PATCH", "/agents/a-1", { owner: "x" }, ["register"]],
      ["PATCH", "/agents/a-1", { status: "suspended", reason: "x" }, ["revoke"]],
      ["PATCH", "/agents/a-1", { status: "active", reason: "x" }, ["revoke"]],
      ["POST", "/tasks", {}, ["register"]],
      ["GET", "/tasks", undefined, reading],
      ["GET", "/tasks/T-1", undefined, reading],
      ["PATCH", "/tasks/T-1", { attributes: {} }, ["register"]],
      ["PATCH", "/tasks/T-1", { lowers: ["x"], reason: "x" }, ["review"]],
      ["POST", "/tasks/T-1/token", undefined, ["register"]],
      ["POST", "/grants", {}, ["register"]],
      ["GET", "/grants", undefined, reading],
      ["GET", "/grants/G-1", undefined, reading],
      ["PATCH", "/grants/G-1", {}, ["register"]],
      ["GET", "/narrowings", undefined, reading],
      ["GET", "/agents/a-1/narrowing", undefined, reading],
      ["POST", "/agents/a-1/narrowing", {}, ["revoke"]],
      ["POST", "/agents/a-1/narrowing/lift", {}, ["revoke"]],
      ["GET", "/behavior/thresholds", undefined, ["audit", "review"]],
      ["POST", "/agents/a-1/profile/rollback", {}, ["review"]],
      ["POST", "/revocations", { scope: { token: "x" }, reason: "x" }, ["revoke"]],
      ["POST", "/revocations", everything, ["revoke_all"]],
      ["GET", "/revocations", undefined, [...reading, "revoke_all"]],
      ["GET", "/revocations/everything", undefined, [...reading, "revoke_all"]],
      ["GET", "/revocations/agent/a-1", undefined, [...reading, "revoke_all"]],
      ["POST", "/revocations/agent/a-1/lift", {}, ["revoke"]],
      ["POST", "/revocations/everything/lift", {}, ["revoke_all"]],
      ["GET", "/facts/events", undefined, ["audit", "admin"]],
      ["GET", "/facts/export", undefined, ["audit", "admin"]],
      ["POST", "/facts/import?id=i", "", ["admin"]],
    ];
    for (const [method, path, body, open] of rows) {
      it(`${method} ${path} ${body === undefined ? "" : JSON.stringify(body)} to ${open.join(", ")}`, async () => {
        for (const scope of scopes) {
          const how = await outcome(method, path, body, { token: tokenFor(`remit:${scope}`) });
          if (open.includes(scope)) expect(how, scope).not.to.match(/^40[13]/);
          else expect(how, scope).to.equal("403 scope_missing authorization");
        }
        const told = await asked(method, path, body, { token: "" });
        expect(told.outcome).to.equal("401 token_missing authorization");
        expect(told.headers.get("www-authenticate")).to.equal("Bearer");
        for (const token of ["x.y.z", `${EVERY}x`, EVERY.split(".").slice(0, 2).join(".") + "."])
          expect(await outcome(method, path, body, { token })).to.equal("401 token_invalid authorization");
        const expired = tokenFor("remit:admin remit:register", "gateway-1", -60);
        expect(await outcome(method, path, body, { token: expired })).to.equal("401 token_expired authorization");
      });
    }

    it("takes no token that is revoked, on any route", async () => {
      const jti = "j-1";
      const token = tokenFor("remit:audit remit:register remit:review remit:revoke remit:revoke_all remit:admin", "gateway-1", 3600, {
        jti,
      });
      expect(await outcome("GET", "/agents", undefined, { token })).to.equal("200");
      await asked("POST", "/revocations", { scope: { token: jti }, reason: "x" });
      for (const [method, path, body] of rows)
        expect(await outcome(method, path, body, { token }), path).to.equal("401 caller_token_revoked authorization");
    });

    it("needs the right to revoke everything for an import that does, too", async () => {
      const file = "revocations: {everything: {reason: x}}\n";
      const headers = { "content-type": "application/yaml" };
      const admin = { token: tokenFor("remit:admin"), headers };
      expect(await outcome("POST", "/facts/import?id=e", file, admin)).to.equal("403 scope_missing authorization");
      await asked("POST", "/revocations/everything/lift", { reason: "x" });
      expect(await decided(service)).not.to.contain("everything_revoked");
      const both = { token: tokenFor("remit:admin remit:revoke_all"), headers };
      expect(await outcome("POST", "/facts/import?id=e", file, both)).to.equal("200");
      expect(await decided(service)).to.equal("deny everything_revoked");
    });
  });

  it("describes every route in the OpenAPI document, with its parameters and all its scopes", async () => {
    await start();
    interface Described {
      security: { bearer: string[] }[];
      parameters?: { name: string; in: string; required: boolean }[];
    }
    const document = (await asked("GET", "/openapi.json")).body as { paths: Record<string, Record<string, Described>> };
    const of = (method: string, path: string): string => {
      const { security = [], parameters = [] } = document.paths[path]?.[method] ?? {};
      return `${security.map(({ bearer }) => bearer.join()).join("|")} ${parameters.map((one) => `${one.in}:${one.name}`).join(",")}`;
    };
    expect(of("get", "/agents")).to.equal(
      "remit:audit|remit:register|remit:revoke query:owner,query:purpose,query:status,query:limit,query:cursor",
    );
    expect(of("patch", "/agents/{id}")).to.equal("remit:register|remit:revoke path:id,header:If-Match");
    expect(of("get", "/narrowings")).to.equal(
      "remit:audit|remit:register|remit:revoke query:purpose,query:in_force,query:limit,query:cursor",
    );
    expect(of("post", "/agents/{id}/narrowing/lift")).to.equal("remit:revoke path:id,header:If-Match");
    expect(of("post", "/revocations")).to.equal("remit:revoke|remit:revoke_all ");
    expect(of("post", "/revocations/{scope}/{of}/lift")).to.equal("remit:revoke path:scope,path:of,header:If-Match");
    expect(of("post", "/facts/import")).to.equal("remit:admin query:id,query:dry_run,query:reason");
    await service.stop();
  });
});

describe("facts over HTTP, imported and exported", () => {
  let service: Running;
  beforeEach(async () => {
    service = await runWithFacts();
  });
  afterEach(() => service.stop());

  const imported = (text: string, query: string, type = "application/yaml"): Promise<Told> =>
    ask(service, "POST", `/facts/import?${query}`, { body: text, headers: { "content-type": type } });
  const exported = async (format: string): Promise<string> => (await ask(service, "GET", `/facts/export?format=${format}`)).text;
  const FILE = (): string =>
    [
      "agents:",
      "  a-1: {owner: tests, purposes: [testing], delegates: [testing]}",
      "  a-2: {owner: tests, purposes: [testing], status: suspended}",
      "tasks:",
      "  T-2: {agent: a-1, purpose: testing, parent: T-1, subjects: {customer: [ada]}}",
      `  T-1: {agent: a-1, purpose: testing, subjects: {customer: [ada, bob]}, expires: "${inAnHour()}"}`,
      "grants:",
      `  G-1: {agent: a-1, entry: {read: note}, reason: r, requested_by: x, approved_by: y, expires: "${inAnHour()}"}`,
      "narrowings:",
      "  a-1: {reason: incident 12, actions_per_minute: 5}",
      "revocations:",
      "  token/a/b: {reason: leaked}",
    ].join("\n");

  it("shows the difference in a dry run and changes nothing, then applies it once", async () => {
    const file = FILE();
    const dry = await imported(file, "dry_run=true");
    expect(dry.body).to.include({ status: "dry_run", created: 7, changed: 0, unchanged: 0, facts_revision: 0 });
    expect((dry.body["differences"] as Json[]).map(({ key }) => key)).to.deep.equal([
      "agent/a-1",
      "agent/a-2",
      "task/T-1",
      "task/T-2",
      "grant/G-1",
      "narrowing/a-1",
      "revocation/token/a/b",
    ]);
    const applied = await imported(file, "id=first&reason=the+move");
    expect(applied.body).to.include({ id: "first", status: "applied", created: 7 });
    const { items } = (await ask(service, "GET", "/facts/events")).body as { items: Json[] };
    expect(new Set(items.map(({ reason, by }) => `${String(by)}: ${String(reason)}`))).to.deep.equal(new Set(["gateway-1: the move"]));
    const again = await imported(file, "id=first");
    expect(again.body).to.include({ status: "applied", created: 7, facts_revision: applied.body["facts_revision"] });
    expect((await imported(`${file}\n`, "id=first")).outcome).to.equal("409 import_exists");
    const changed = await imported(file.replace("a-1: {owner: tests", "a-1: {owner: others"), "dry_run=true");
    expect(changed.body).to.deep.include({ created: 0, changed: 1, unchanged: 6, differences: [{ key: "agent/a-1", fields: ["/owner"] }] });
  });

  for (const [format, type] of [
    ["yaml", "application/yaml"],
    ["json_lines", "application/jsonl"],
  ] as const) {
    it(`exports as ${format} what another service imports to the same`, async () => {
      await imported(FILE(), "id=first");
      const text = await exported(format);
      expect((await imported(text, "dry_run=true", type)).body).to.include({ created: 0, changed: 0, unchanged: 7 });
      const other = await runWithFacts();
      try {
        const headers = { "content-type": type };
        expect((await ask(other, "POST", "/facts/import?id=x", { body: text, headers })).body).to.include({ created: 7 });
        expect((await ask(other, "GET", `/facts/export?format=${format}`)).text).to.equal(text);
      } finally {
        await other.stop();
      }
    });
  }

  it("exports as YAML only what YAML prints, and on one line each", async () => {
    const reason = "C1 \u009b31m, DEL \u007f, NEL \u0085, lines \u2028 \u2029, mark \ufeff, none \uffff";
    await ask(service, "POST", "/revocations", { body: JSON.stringify({ scope: { token: "t-1" }, reason }) });
    const text = await exported("yaml");
    // YAML 1.2.2, section 5.1, without the line breaks of its older versions
    expect(text).to.match(/^[\n\x20-\x7e\u00a0-\u2027\u202a-\ud7ff\ue000-\ufefe\uff00-\ufffd]*$/);
    expect(parse(text)).to.deep.equal({ revocations: { "token/t-1": { reason } } });
    expect((await imported(text, "dry_run=true")).body).to.include({ created: 0, unchanged: 1 });
  });

  it("exports nothing as an empty document, and imports it", async () => {
    expect(parse(await exported("yaml"))).to.deep.equal({});
    expect(await exported("json_lines")).to.equal("");
    expect((await imported(await exported("yaml"), "id=nothing")).body).to.include({ created: 0 });
  });

  it("exports many facts in parts, each whole", async () => {
    const lines = Array.from({ length: 3001 }, (_, i) => JSON.stringify({ agent: { id: `n-${i}`, owner: "x", purposes: ["testing"] } }));
    expect((await imported(lines.join("\n"), "id=many", "application/x-ndjson")).body).to.include({ created: 3001 });
    const found = (await exported("json_lines")).trimEnd().split("\n");
    expect(found).to.have.lengthOf(3001);
    expect(new Set(found.map((line) => (JSON.parse(line) as { agent: { id: string } }).agent.id)).size).to.equal(3001);
  });

  const good = '{"agent":{"id":"b-1","owner":"x","purposes":["testing"]}}\n';
  // prettier-ignore
  const bad: [what: string, text: string, type: string, found: Json][] = [
    ["one bad line among a thousand", good.repeat(1) + Array.from({ length: 998 }, (_, i) => good.replace("b-1", `c-${i}`)).join("") + "{\n", "application/jsonl", { code: "import_invalid", line: 1000, reason: "json_invalid" }],
    ["a line of two facts", '{"agent":{"id":"b","owner":"x","purposes":[]},"task":{}}', "application/jsonl", { code: "import_invalid", line: 1 }],
    ["an unknown field in a line", `${good}{"agent":{"id":"b-2","owner":"x","purposes":[],"role":"y"}}`, "application/jsonl", { code: "import_invalid", line: 2, field: "/agent/role" }],
    ["an id twice", good + good, "application/jsonl", { code: "import_invalid", line: 2, field: "/agent/id" }],
    ["a cycle of parents", `${good}{"task":{"id":"A","agent":"b-1","purpose":"testing","parent":"B"}}\n{"task":{"id":"B","agent":"b-1","purpose":"testing","parent":"A"}}`, "application/jsonl", { code: "import_invalid", field: "/task/parent" }],
    ["a purpose that the bundle doesn't know", "agents:\n  b-1: {owner: x, purposes: [testing]}\n  b-2: {owner: x, purposes: [flying]}", "application/yaml", { code: "import_invalid", line: 3, field: "/agent/purposes/0", reason: "fact_invalid" }],
    ["ids that look alike", `${good}{"agent":{"id":"B-1","owner":"x","purposes":[]}}`, "application/jsonl", { code: "import_invalid", line: 2, reason: "agent_id_similar" }],
    ["YAML that is none", "agents: {a-1: [", "application/yaml", { code: "import_invalid" }],
    ["YAML with a key twice", "agents: {}\nagents: {}", "application/yaml", { code: "import_invalid" }],
    ["YAML with an anchor", "agents: &a {}\ntasks: *a", "application/yaml", { code: "import_invalid" }],
    ["YAML of an unknown section", "agent: {}", "application/yaml", { code: "import_invalid" }],
    ["JSON Lines said to be YAML", good + good, "application/yaml", { code: "import_invalid" }],
    ["YAML said to be JSON Lines", "agents:\n  b-1: {owner: x, purposes: []}", "application/jsonl", { code: "import_invalid", line: 1 }],
    ["more YAML than is read in one piece", `#${"x".repeat(1024 * 1024)}`, "application/yaml", { code: "body_too_large" }],
  ];
  for (const [what, text, type, found] of bad) {
    it(`refuses ${what} whole, and changes nothing`, async () => {
      const told = await imported(text, "id=bad", type);
      expect(told.body).to.include(found);
      expect((await ask(service, "GET", "/facts/events")).body["items"]).to.deep.equal([]);
      expect((await imported(good, "id=bad", "application/jsonl")).body).to.include({ status: "applied" });
    });
  }

  it("refuses what is no UTF-8", async () => {
    const response = await fetch(`${service.url}/facts/import?id=x`, {
      method: "POST",
      headers: { authorization: `Bearer ${EVERY}`, "content-type": "application/yaml" },
      body: new Uint8Array([0x61, 0x3a, 0x20, 0xff]),
    });
    expect(await response.json()).to.include({ code: "utf8_invalid" });
  });
});

describe("facts over HTTP, by callers of limited rights", () => {
  let service: Running;
  const OF = (subject: string): string => tokenFor("remit:register", subject);
  before(async () => {
    const callers = {
      root: {},
      "of-a-2": { agents: ["a-2"] },
      "of-testing": { purposes: ["testing"] },
      "of-others": { purposes: ["undefined"] },
      "of-a-9": { agents: ["a-9"] },
      "of-a-9-testing": { agents: ["a-9"], purposes: ["testing"] },
    };
    service = await runWithFacts({ callers });
    const root = OF("root");
    for (const id of ["a-1", "a-2"]) await ask(service, "POST", "/agents", { body: { ...AGENT, id }, token: root });
    for (const [id, agent] of [
      ["T-1", "a-1"],
      ["T-2", "a-2"],
    ])
      await ask(service, "POST", "/tasks", { body: task({ id, agent }), token: root });
    for (const [id, agent] of [
      ["G-1", "a-1"],
      ["G-2", "a-2"],
    ])
      await ask(service, "POST", "/grants", { body: grant({ id, agent }), token: root });
  });
  after(() => service.stop());

  const subjects = ["root", "of-a-2", "of-testing", "of-others", "unnamed"];
  const may: [what: string, method: string, path: string, body: unknown, who: string[]][] = [
    ["register an agent", "POST", "/agents", { ...AGENT, id: "a-3", purposes: [] }, ["root"]],
    ["register an agent for testing", "POST", "/agents", { ...AGENT, id: "a-4" }, ["root", "of-testing"]],
    [
      "register an agent that delegates",
      "POST",
      "/agents",
      { ...AGENT, id: "a-5", purposes: [], delegates: ["testing"] },
      ["root", "of-testing"],
    ],
    ["change agent a-1", "PATCH", "/agents/a-1", { owner: "y" }, ["root", "of-testing"]],
    ["change agent a-2", "PATCH", "/agents/a-2", { owner: "y" }, ["root", "of-a-2", "of-testing"]],
    ["give a-1 a task", "POST", "/tasks", task({ id: "T-3" }), ["root", "of-testing"]],
    ["give a-2 a task", "POST", "/tasks", task({ id: "T-4", agent: "a-2" }), ["root", "of-a-2", "of-testing"]],
    ["see a-1's task", "GET", "/tasks/T-1", undefined, ["root", "of-testing"]],
    ["see a-2's task", "GET", "/tasks/T-2", undefined, ["root", "of-a-2", "of-testing"]],
    ["add to a-1's task", "PATCH", "/tasks/T-1", { subjects: { customer: ["eve"] } }, ["root", "of-testing"]],
    ["take a token of a-1's task", "POST", "/tasks/T-1/token", undefined, ["root", "of-testing"]],
    ["take a token of a-2's task", "POST", "/tasks/T-2/token", undefined, ["root", "of-a-2", "of-testing"]],
    ["grant a-1 something", "POST", "/grants", grant({ id: "G-3" }), ["root", "of-testing"]],
    ["grant a-2 something", "POST", "/grants", grant({ id: "G-4", agent: "a-2" }), ["root", "of-a-2", "of-testing"]],
    ["grant a-1's task something", "POST", "/grants", grant({ id: "G-5", agent: undefined, task: "T-1" }), ["root", "of-testing"]],
    ["see a-1's grant", "GET", "/grants/G-1", undefined, ["root", "of-testing"]],
    ["end a-1's grant", "PATCH", "/grants/G-1", { ended: true, reason: "x" }, ["root", "of-testing"]],
    ["see a-1", "GET", "/agents/a-1", undefined, ["root", "of-testing"]],
    ["see a-2", "GET", "/agents/a-2", undefined, ["root", "of-a-2", "of-testing"]],
  ];
  for (const [what, method, path, body, who] of may) {
    it(`lets ${who.join(", ")} ${what}, and nobody else`, async () => {
      for (const subject of subjects) {
        const { outcome } = await ask(service, method, path, { ...(body === undefined ? {} : { body }), token: OF(subject) });
        if (who.includes(subject)) expect(outcome, subject).to.match(/^(200|201|428)/);
        else expect(outcome, subject).to.equal("403 agent_not_permitted");
      }
    });
  }

  const unseen: [what: string, method: string, theirs: string, nobodys: string, body?: object][] = [
    ["an agent", "GET", "/agents/a-1", "/agents/a-9"],
    ["a change of an agent", "PATCH", "/agents/a-1", "/agents/a-9", { owner: "y" }],
    ["an agent's narrowing", "GET", "/agents/a-1/narrowing", "/agents/a-9/narrowing"],
    ["a task", "GET", "/tasks/T-1", "/tasks/T-9"],
    ["a change of a task", "PATCH", "/tasks/T-1", "/tasks/T-9", { ended: true }],
    ["a task's token", "POST", "/tasks/T-1/token", "/tasks/T-9/token"],
    ["a grant", "GET", "/grants/G-1", "/grants/G-9"],
    ["a grant's end", "PATCH", "/grants/G-1", "/grants/G-9", { ended: true, reason: "x" }],
  ];
  for (const [what, method, theirs, nobodys, body] of unseen) {
    it(`answers for ${what} of somebody else's word for word as for one that nobody has, so that asking finds no ids`, async () => {
      for (const subject of ["of-a-2", "of-others", "unnamed"]) {
        const given = { ...(body !== undefined && { body }), token: OF(subject) };
        const [one, other] = [await ask(service, method, theirs, given), await ask(service, method, nobodys, given)];
        expect(one.outcome, subject).to.equal("403 agent_not_permitted");
        expect(other.text, subject).to.equal(one.text);
      }
    });
  }

  it("tells a registrar that an agent of its own, or any agent if it may speak for all, isn't there", async () => {
    for (const [subject, path, outcome] of [
      ["of-a-9", "/agents/a-9", "404 agent_not_found"],
      ["root", "/agents/a-9", "404 agent_not_found"],
      ["root", "/tasks/T-9", "404 task_not_found"],
      // Of which agent a task would be nobody knows, nor of which purpose an agent.
      ["of-a-9", "/tasks/T-9", "403 agent_not_permitted"],
      ["of-testing", "/agents/a-9", "403 agent_not_permitted"],
      ["of-a-9-testing", "/agents/a-9", "403 agent_not_permitted"],
    ] as const)
      expect((await ask(service, "GET", path, { token: OF(subject) })).outcome, `${subject} ${path}`).to.equal(outcome);
    for (const scope of ["remit:audit", "remit:revoke"])
      expect((await ask(service, "GET", "/tasks/T-9", { token: tokenFor(scope, "unnamed") })).outcome).to.equal("404 task_not_found");
  });

  const holders: [what: string, path: string, theirs: object, nobodys: object][] = [
    ["grants an agent something", "/grants", grant({ id: "G-8", agent: "a-1" }), grant({ id: "G-8", agent: "a-9" })],
    [
      "grants a task something",
      "/grants",
      grant({ id: "G-8", agent: undefined, task: "T-1" }),
      grant({ id: "G-8", agent: undefined, task: "T-9" }),
    ],
    ["hands a task on", "/tasks", task({ id: "T-8", agent: "a-2", parent: "T-1" }), task({ id: "T-8", agent: "a-2", parent: "T-9" })],
  ];
  for (const [what, path, theirs, nobodys] of holders) {
    it(`answers who ${what} the same, whether it is somebody else's or nobody's`, async () => {
      const [one, other] = [
        await ask(service, "POST", path, { body: theirs, token: OF("of-a-2") }),
        await ask(service, "POST", path, { body: nobodys, token: OF("of-a-2") }),
      ];
      expect(one.outcome).to.equal("403 agent_not_permitted");
      expect(other.text).to.equal(one.text);
    });
  }

  it("lists to each only what it may speak for, and everything to who audits or revokes", async () => {
    const listed = async (path: string, token: string): Promise<string> =>
      ((await ask(service, "GET", path, { token })).body["items"] as Json[]).map(({ id }) => id).join();
    for (const [path, all, some] of [
      ["/agents?status=active&limit=2", "a-1,a-2", "a-2"],
      ["/tasks?limit=2", "T-1,T-2", "T-2,T-4"],
      ["/grants?limit=2", "G-1,G-2", "G-2,G-4"],
    ] as const) {
      expect(await listed(path, OF("root"))).to.equal(all);
      expect(await listed(path, OF("of-a-2"))).to.equal(some);
      expect(await listed(path, OF("unnamed"))).to.equal("");
      for (const scope of ["remit:audit", "remit:revoke"]) expect(await listed(path, tokenFor(scope, "unnamed"))).to.equal(all);
    }
  });

  it("lets who revokes cut off any agent, since that only narrows", async () => {
    const token = tokenFor("remit:revoke", "unnamed");
    const body = { scope: { agent: "a-1" }, reason: "x" };
    expect((await ask(service, "POST", "/revocations", { body, token })).status).to.equal(200);
    const suspend = { status: "suspended", reason: "x" };
    expect((await ask(service, "PATCH", "/agents/a-2", { body: suspend, token })).status).to.equal(200);
  });
});

describe("facts over HTTP, where task tokens are not configured", () => {
  it("refuses to give a token before the task is there", async () => {
    const identity = {
      issuers: [
        {
          issuer: "https://issuer.example",
          audience: { callers: "remit" },
          keys: [{ kid: "k1", algorithm: "ES256", file: "issuer.pem" }],
        },
      ],
    };
    const service = await runWithFacts({ identity });
    try {
      await withAgent(service);
      const told = await ask(service, "POST", "/tasks?token=true", { body: task() });
      expect(told.outcome).to.equal("400 task_token_unsupported token");
      expect((await ask(service, "GET", "/tasks/T-1")).outcome).to.equal("404 task_not_found");
      expect(codeOf({ status: 0, headers: "", body: told.text })).to.equal("task_token_unsupported");
    } finally {
      await service.stop();
    }
  });
});
