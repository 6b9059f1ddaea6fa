import { connect } from "node:net";
import { once } from "node:events";
import { expect } from "chai";
import { bundleBytes } from "../bundle/support.js";
import { Dice } from "../differential/dice.js";
import { ask, decided, inAnHour, runWithFacts, withAgent, type Asking, type Json, type Told } from "./asking.js";
import { DECIDE, Follower, said, type Following } from "./following.js";
import { ALL, tokenFor, type Running } from "./running.js";

const HEARTBEAT_MS = 100;
const EXPIRES = inAnHour();
const lift = { reason: "over" };

describe("events over HTTP", function () {
  let service: Running;
  const followers: Follower[] = [];

  const start = async (sections: object = {}): Promise<void> => {
    service = await runWithFacts({ events: { heartbeat_ms: HEARTBEAT_MS }, ...sections });
  };
  const follow = async (following: Following = {}): Promise<Follower> => {
    const follower = await Follower.follow(service, following);
    followers.push(follower);
    return follower;
  };
  const followed = async (following: Following = {}): Promise<Follower> => await (await follow(following)).ready();
  const refused = (following: Following): Promise<string> =>
    follow(following).then(
      () => "200",
      (cause: unknown) => (cause as Error).message,
    );
  const asked = (method: string, path: string, body?: unknown, asking: Asking = {}): Promise<Told> =>
    ask(service, method, path, { ...(body === undefined ? {} : { body }), ...asking });
  const done = async (...args: Parameters<typeof asked>): Promise<Json> => {
    const { outcome, body } = await asked(...args);
    expect(outcome, `${args[0]} ${args[1]}`).to.match(/^20\d$/);
    return body;
  };
  const revoke = (scope: object): Promise<Json> => done("POST", "/revocations", { scope, reason: "incident 12" });
  const task = (id: string, changes: object = {}): Promise<Json> =>
    done("POST", "/tasks", { id, agent: "a-1", purpose: "testing", subjects: { customer: ["ada"] }, expires: EXPIRES, ...changes });
  const grant = (id: string, changes: object): Promise<Json> =>
    done("POST", "/grants", {
      id,
      entry: { read: "note" },
      reason: "x",
      requested_by: "ada",
      approved_by: "bob",
      expires: EXPIRES,
      ...changes,
    });
  const revision = async (): Promise<number> => (await done("GET", "/agents?limit=1"))["facts_revision"] as number;
  const metric = async (name: string): Promise<number> =>
    Number(new RegExp(`^${name} (\\d+)$`, "m").exec((await asked("GET", "/metrics")).text)?.[1] ?? 0);

  afterEach(async () => {
    for (const follower of followers.splice(0)) follower.close();
    await service.stop();
  });

  describe("as an enforcement point follows them:", () => {
    beforeEach(async () => {
      await start();
      await withAgent(service, { delegates: ["testing"] });
      await withAgent(service, { id: "a-2", owner: "two@example.com", delegates: ["testing"] });
    });

    it("begins now, says on which revision, and shows nothing of what was before", async () => {
      const follower = await followed();
      const [first, ...more] = follower.events;
      const { running } = await done("GET", "/bundles");
      expect(first).to.deep.equal({ event: "ready", id: "2", data: { facts_revision: 2, heartbeat_ms: HEARTBEAT_MS, policy: running } });
      expect(more).to.deep.equal([]);
      expect(follower.headers).to.include({ "content-type": "text/event-stream", "cache-control": "no-store", "x-accel-buffering": "no" });
      expect(follower.retry_ms).to.be.within(1000, 3000);
    });

    it("hears of a revocation before it is durable, and again with its revision, by when the next action is denied", async () => {
      const follower = await followed();
      const { revision: durable } = await revoke({ agent: "a-1" });
      await follower.until(() => follower.changes.length === 2, "both");
      const [held, kept] = follower.events.slice(1);
      const told = {
        change: "revoked",
        narrows: true,
        key: "revocation/agent/a-1",
        scope: "agent",
        of: "a-1",
        agent: "a-1",
        purpose: null,
        task: null,
      };
      expect(held?.data).to.deep.include({ ...told, revision: null, durable: false });
      expect(held?.id).to.equal("2");
      expect(kept?.data).to.deep.include({ ...told, revision: durable, durable: true });
      expect(kept?.id).to.equal(String(durable));
      expect(await decided(service, { at_least: durable })).to.equal("deny agent_revoked");
    });

    it("is told what it takes to find the running work, and nothing of who decided it and why", async () => {
      await task("T-1");
      await grant("G-1", { agent: "a-1" });
      await grant("G-2", { task: "T-1" });
      const follower = await followed();
      const etag = (await asked("GET", "/agents/a-2")).headers.get("etag") ?? "";
      const status = (to: string): Promise<Json> => done("PATCH", "/agents/a-2", { status: to, reason: "incident 12" });
      const ended = { ended: true, reason: "incident 12" };
      const changes: [() => Promise<Json>, string, boolean, (string | null)[]][] = [
        [
          () => done("PATCH", "/agents/a-2", { owner: "else@example.com" }, { headers: { "if-match": etag } }),
          "agent_changed agent/a-2",
          true,
          ["a-2", null, null],
        ],
        [() => status("suspended"), "agent_suspended agent/a-2", true, ["a-2", null, null]],
        [() => status("active"), "agent_restored agent/a-2", false, ["a-2", null, null]],
        [
          () => done("POST", "/agents", { id: "a-3", owner: "three", purposes: ["testing"] }),
          "agent_created agent/a-3",
          false,
          ["a-3", null, null],
        ],
        [() => task("T-2", { agent: "a-2" }), "task_created task/T-2", false, ["a-2", "testing", "T-2"]],
        [() => done("PATCH", "/tasks/T-1", { subjects: { customer: ["bob"] } }), "task_changed task/T-1", false, ["a-1", "testing", "T-1"]],
        [() => done("PATCH", "/grants/G-1", ended), "grant_ended grant/G-1", true, ["a-1", null, null]],
        [() => revoke({ grant: "G-2" }), "revoked revocation/grant/G-2", true, ["a-1", "testing", "T-1"]],
        [() => grant("G-3", { task: "T-1" }), "grant_created grant/G-3", false, ["a-1", "testing", "T-1"]],
        [() => done("PATCH", "/tasks/T-1", ended), "task_ended task/T-1", true, ["a-1", "testing", "T-1"]],
        [() => revoke({ task: "T-2" }), "revoked revocation/task/T-2", true, ["a-2", "testing", "T-2"]],
        [() => revoke({ purpose: "testing" }), "revoked revocation/purpose/testing", true, [null, "testing", null]],
        [() => revoke({ owner: "three" }), "revoked revocation/owner/three", true, [null, null, null]],
        [() => revoke({ token: "j-1" }), "revoked revocation/token/j-1", true, [null, null, null]],
        [() => revoke({ everything: true }), "revoked revocation/everything", true, [null, null, null]],
        [() => done("POST", "/revocations/everything/lift", lift), "revocation_lifted revocation/everything", false, [null, null, null]],
        [() => status("revoked"), "agent_revoked agent/a-2", true, ["a-2", null, null]],
      ];
      for (const [change, what, narrows, work] of changes) {
        await change();
        await follower.until(() => follower.told.at(-1) === what, what);
        const data = follower.changes.at(-1) ?? {};
        expect([data["narrows"], [data["agent"], data["purpose"], data["task"]]], what).to.deep.equal([narrows, work]);
        const { items } = await done("GET", `/facts/events?after=${String((data["revision"] as number) - 1)}`);
        const [listed] = items as Json[];
        expect(data).to.include({
          revision: listed?.["revision"],
          key: listed?.["key"],
          change: listed?.["change"],
          time: listed?.["time"],
        });
      }
      expect(follower.text).not.to.contain("incident 12").and.not.contain("gateway-1").and.not.contain("@example.com");
    });

    it("counts in what was handed on: whoever compares agent, purpose and task misses nothing", async () => {
      await task("T-1");
      await task("T-2", { agent: "a-2", parent: "T-1" });
      const follower = await followed();
      const found = async (change: () => Promise<Json>): Promise<unknown[]> => {
        const before = follower.changes.length;
        await change();
        await follower.until(() => follower.changes.length > before, "the change");
        const { agent, purpose, task: on } = follower.changes[before] ?? {};
        return [agent, purpose, on];
      };
      // T-2 is work of another agent on another task, and is hit by both.
      expect(await found(() => revoke({ task: "T-1" }))).to.deep.equal([null, "testing", null]);
      expect(await found(() => done("PATCH", "/agents/a-1", { status: "suspended", reason: "x" }))).to.deep.equal([null, null, null]);
      expect(await found(() => revoke({ task: "T-2" }))).to.deep.equal(["a-2", "testing", "T-2"]);
    });

    it("hears, following one task, what becomes of each that it was handed on from, and nothing of others", async () => {
      await withAgent(service, { id: "a-3", owner: "three@example.com", delegates: ["testing"] });
      await task("T-1");
      await task("T-2", { agent: "a-3", parent: "T-1" });
      await task("T-3", { agent: "a-2", parent: "T-2" });
      await task("T-4", { parent: "T-3" });
      await task("T-5", { agent: "a-2" });
      await grant("G-1", { task: "T-1" });
      const follower = await followed({ query: "?task=T-3" });
      await revoke({ task: "T-5" });
      await done("PATCH", "/tasks/T-5", { ended: true });
      await revoke({ task: "T-4" });
      await revoke({ owner: "three@example.com" });
      await revoke({ task: "T-1" });
      await done("POST", "/revocations/task/T-1/lift", lift);
      await done("PATCH", "/grants/G-1", { ended: true, reason: "x" });
      await done("PATCH", "/agents/a-1", { status: "suspended", reason: "x" });
      await done("PATCH", "/tasks/T-1", { ended: true });
      await revoke({ purpose: "testing" });
      await revoke({ everything: true });
      await follower.until(() => follower.told.at(-1) === "revoked revocation/everything", "the last");
      expect(follower.told.filter((one) => !one.endsWith("?"))).to.deep.equal([
        "revoked revocation/owner/three@example.com",
        "revoked revocation/task/T-1",
        "revocation_lifted revocation/task/T-1",
        "grant_ended grant/G-1",
        "agent_suspended agent/a-1",
        "task_ended task/T-1",
        "revoked revocation/purpose/testing",
        "revoked revocation/everything",
      ]);
    });

    it("hears, following one agent, what concerns its work, handed on to it too", async () => {
      await task("T-1");
      const follower = await followed({ query: "?agent=a-2" });
      await task("T-2", { agent: "a-2", parent: "T-1" });
      await task("T-3");
      await revoke({ task: "T-3" });
      await done("PATCH", "/tasks/T-1", { ended: true });
      await revoke({ owner: "two@example.com" });
      await revoke({ agent: "a-1" });
      await revoke({ agent: "a-2" });
      await follower.until(() => follower.told.at(-1) === "revoked revocation/agent/a-2", "the last");
      expect(follower.told.filter((one) => !one.endsWith("?"))).to.deep.equal([
        "task_created task/T-2",
        "task_ended task/T-1",
        "revoked revocation/owner/two@example.com",
        "revoked revocation/agent/a-1",
        "revoked revocation/agent/a-2",
      ]);
    });

    it("goes on where it was, by Last-Event-ID or `after`, missing nothing and hearing nothing twice", async () => {
      const first = await followed();
      await revoke({ agent: "a-1" });
      await first.until(() => first.lastId === "3");
      first.close();
      for (let i = 0; i < 250; i++) await task(`T-${i}`, { agent: "a-2" });
      await done("POST", "/revocations/agent/a-1/lift", lift);
      const expected = [...Array.from({ length: 250 }, (_, i) => `task_created task/T-${i}`), "revocation_lifted revocation/agent/a-1"];
      for (const following of [{ lastEventId: 3 }, { query: "?after=3" }, { query: "?after=0", lastEventId: "3" }]) {
        const next = await followed(following);
        expect(next.told).to.deep.equal(expected);
        expect(next.events.at(-1)).to.deep.include({ event: "ready", id: String(await revision()) });
        await revoke({ token: `j-${next.told.length}-${followers.length}` });
        await next.until(() => next.told.length === expected.length + 2);
        expected.push(next.told.at(-1) ?? "");
      }
      const all = await followed({ lastEventId: 0 });
      expect(all.told.slice(0, 3)).to.deep.equal(["agent_created agent/a-1", "agent_created agent/a-2", "revoked revocation/agent/a-1"]);
    });

    it("starts anew, and says so, where the id is of a time that the store doesn't know", async () => {
      for (const following of [{ lastEventId: 3 }, { lastEventId: "999999999999999" }, { query: "?after=4711" }]) {
        const follower = await followed(following);
        expect(follower.events.map(({ event, id }) => [event, id])).to.deep.equal([
          ["reset", "2"],
          ["ready", "2"],
        ]);
        expect(follower.events[0]?.data).to.deep.equal({ facts_revision: 2 });
      }
    });

    it("hears that it is there, in comments, and learns how far it has come where nothing concerns it", async () => {
      const follower = await followed({ query: "?agent=a-2" });
      await follower.until(() => follower.text.split("\n:\n").length > 3, "heartbeats");
      for (let i = 0; i < 5; i++) await task(`T-${i}`);
      const now = String(await revision());
      await follower.until(() => follower.lastId === now, "the id");
      expect(follower.events).to.have.length(1);
    });

    it("is not cut off by the time that a request may take, however long it goes on", async () => {
      await service.stop();
      await start({ limits: { headers_ms: 1000, body_ms: 1000, keep_alive_ms: 1 } });
      const follower = await followed();
      await new Promise((resolve) => setTimeout(resolve, 4000));
      await withAgent(service);
      await follower.until(() => follower.told.length === 1);
      expect(follower.ended).to.be.false;
    });

    it("hears that another bundle decides", async () => {
      const follower = await followed();
      const body = new Uint8Array(await bundleBytes({ expires: null, sequence: 13 }));
      const headers = { authorization: `Bearer ${ALL}`, "content-type": "application/gzip" };
      await fetch(`${service.url}/bundles`, { method: "POST", headers, body });
      await follower.until(() => follower.events.length === 2);
      expect(follower.events[1]).to.deep.include({ event: "policy", id: "2" });
      expect(follower.events[1]?.data).to.include({ sequence: 13 });
    });

    it("hears of what a file brings, and nothing of how far it has come", async () => {
      const follower = await followed();
      const line = JSON.stringify({ agent: { id: "a-9", owner: "x", purposes: ["testing"] } });
      const headers = { "content-type": "application/jsonl" };
      await done("POST", "/facts/import?id=I-1", `${line}\n${JSON.stringify({ revocation: { scope: { agent: "a-1" }, reason: "x" } })}\n`, {
        headers,
      });
      await follower.until(() => follower.told.length === 2);
      expect(follower.told).to.deep.equal(["agent_created agent/a-9", "revoked revocation/agent/a-1"]);
      const now = String(await revision());
      await follower.until(() => follower.lastId === now, "the id of the import's progress");
      expect(follower.events).to.have.length(3);
    });

    it("holds up no revocation's acknowledgement, whether it is read or not", async () => {
      await service.stop();
      await start({ facts: { store: "store", landed_within_ms: 60_000 } });
      await withAgent(service);
      const follower = await followed();
      follower.pause();
      expect(await revoke({ agent: "a-1" })).to.include({ durable: true });
    });

    const garbage = ["", " ", "x", "-1", "+1", "1.0", "01", "1e3", "0x10", "1, 2", "1000000000000000", "9".repeat(40), "NaN", "٣", "1\t2"];
    it("refuses anything but an event's id as Last-Event-ID", async () => {
      for (const id of garbage) {
        const sent = Buffer.from(id).toString("latin1");
        expect(await refused({ lastEventId: sent }), id).to.equal("400 last_event_id_invalid last-event-id");
      }
    });

    const queries: [string, string][] = [
      ["?after=x", "400 parameter_invalid after"],
      ["?after=-1", "400 parameter_invalid after"],
      ["?after=", "400 parameter_invalid after"],
      ["?after=1&after=2", "400 parameter_invalid after"],
      ["?agent=", "400 parameter_invalid agent"],
      ["?agent=a-1&agent=a-2", "400 parameter_invalid agent"],
      ["?agent=%ff", "400 parameter_invalid agent"],
      ["?purpose=testing", "400 parameter_unknown purpose"],
      ["?lastEventId=1", "400 parameter_unknown lastEventId"],
      ["?agent=a-7", "404 agent_not_found agent"],
      ["?task=T-7", "404 task_not_found task"],
      ["?agent=a-7&task=T-7", "404 agent_not_found agent"],
    ];
    it("refuses a query that isn't one, and to follow what isn't there", async () => {
      for (const [query, problem] of queries) expect(await refused({ query }), query).to.equal(problem);
    });

    it("refuses to follow an agent and a task that is another's", async () => {
      await task("T-1");
      expect(await refused({ query: "?agent=a-2&task=T-1" })).to.equal("400 parameter_invalid task");
      await followed({ query: "?agent=a-1&task=T-1" });
    });

    it("is one route with one method: HEAD answers the head alone and takes no place, others are refused", async () => {
      const head = await asked("HEAD", "/events");
      expect([head.status, head.headers.get("content-type"), head.text]).to.deep.equal([200, "text/event-stream", ""]);
      for (const method of ["POST", "PUT", "PATCH", "DELETE"]) {
        const { outcome, headers } = await asked(method, "/events");
        expect([outcome, headers.get("allow")], method).to.deep.equal(["405 method_not_allowed", "GET"]);
      }
      expect(await metric("remit_event_subscribers")).to.equal(0);
    });

    it("needs a token with one of the scopes", async () => {
      expect(await refused({ token: "x.y.z" })).to.equal("401 token_invalid authorization");
      for (const scope of ["", "remit:publish", "remit:observe", "remit:review", "remit:admin", "remit:revoke_all"])
        expect(await refused({ token: tokenFor(scope) }), scope).to.equal("403 scope_missing authorization");
      for (const scope of ["remit:decide", "remit:audit", "remit:register", "remit:revoke"]) await followed({ token: tokenFor(scope) });
    });
  });

  describe("where `callers` says who may ask for whom:", () => {
    const callers = {
      gateway: {},
      "of-a-1": { agents: ["a-1"] },
      "of-a-2": { agents: ["a-2", "a-3"], purposes: ["testing"] },
      "of-other": { purposes: ["other"] },
      "of-none": { agents: [] },
      registrar: { agents: ["a-2"] },
    };
    const EVERYONE = ["auditor", "of-a-1", "of-a-2", "of-other", "registrar", "revoker"];
    const READERS = ["auditor", "revoker"];
    const token = (who: string): string =>
      tokenFor(`remit:${{ auditor: "audit", revoker: "revoke", registrar: "register" }[who] ?? "decide"}`, who);

    beforeEach(async () => {
      await start({ callers: { ...callers, "gateway-1": {} } });
      await withAgent(service, { delegates: ["testing"] });
      await withAgent(service, { id: "a-2", owner: "two@example.com" });
      await withAgent(service, { id: "a-4", owner: "four@example.com" });
      await task("T-1");
      await task("T-2", { agent: "a-2", parent: "T-1" });
      await task("T-4", { agent: "a-4" });
      await grant("G-1", { task: "T-1" });
      await grant("G-2", { agent: "a-2" });
      await grant("G-4", { agent: "a-4" });
    });

    it("tells each what can hit work that it may ask for, and nothing else", async () => {
      const all = new Map<string, Follower>();
      for (const who of EVERYONE) all.set(who, await followed({ token: token(who) }));
      const changes: [() => Promise<Json>, string[]][] = [
        [() => task("T-5", { agent: "a-4" }), READERS],
        [() => task("T-6"), ["auditor", "of-a-1", "revoker"]],
        [() => revoke({ agent: "a-4" }), [...READERS, "of-other"]],
        [() => revoke({ task: "T-4" }), READERS],
        [() => done("PATCH", "/grants/G-4", { ended: true, reason: "x" }), [...READERS, "of-other"]],
        [() => revoke({ owner: "four@example.com" }), [...READERS, "of-other"]],
        // T-2, which a-2 works on, was handed on from T-1.
        [() => done("PATCH", "/grants/G-1", { ended: true, reason: "x" }), [...READERS, "of-a-1", "of-a-2", "registrar"]],
        [() => revoke({ agent: "a-1" }), EVERYONE],
        [() => revoke({ owner: "tests@example.com" }), EVERYONE],
        [() => revoke({ grant: "G-2" }), [...READERS, "of-a-2", "of-other", "registrar"]],
        [() => done("PATCH", "/tasks/T-2", { ended: true }), [...READERS, "of-a-2", "registrar"]],
        [() => revoke({ task: "T-1" }), [...READERS, "of-a-1", "of-a-2", "registrar"]],
        [() => revoke({ purpose: "testing" }), EVERYONE.filter((who) => who !== "of-other")],
        [() => revoke({ token: "j-1" }), EVERYONE],
        [() => revoke({ everything: true }), EVERYONE],
      ];
      const expected = new Map(EVERYONE.map((who) => [who, [] as number[]]));
      for (const [change, who] of changes) {
        await change();
        const now = await revision();
        for (const one of who) expected.get(one)?.push(now);
      }
      for (const [who, follower] of all) {
        const heard = (): unknown[] => follower.changes.flatMap(({ revision: of }) => of ?? []);
        await follower.until(() => heard().length >= (expected.get(who)?.length ?? 0), who);
        const now = String(await revision());
        await follower.until(() => follower.lastId === now, who);
        expect(heard(), who).to.deep.equal(expected.get(who));
        // What holds and isn't durable yet is told to the same.
        const held = follower.changes.filter(({ durable }) => durable === false).map(({ key }) => key);
        const durable = follower.changes.filter((one) => one["durable"] === true).map(({ key }) => key);
        expect(durable, who).to.include.members(held);
        follower.close();
        const again = await followed({ token: token(who), lastEventId: 9 });
        expect(
          again.changes.map(({ revision: of }) => of),
          who,
        ).to.deep.equal(expected.get(who));
      }
    });

    it("refuses whom nothing could ever be told, and whoever follows what it may not ask for", async () => {
      for (const [who, query, problem] of [
        ["unnamed", "", "403 agent_not_permitted"],
        ["of-none", "", "403 agent_not_permitted"],
        ["of-a-1", "?agent=a-2", "403 agent_not_permitted agent"],
        ["of-a-1", "?task=T-2", "403 agent_not_permitted task"],
        ["of-other", "?task=T-1", "403 agent_not_permitted task"],
        ["registrar", "?agent=a-1", "403 agent_not_permitted agent"],
      ] as const)
        expect(await refused({ token: token(who), query }), `${who} ${query}`).to.equal(problem);
      for (const [who, query] of [
        ["of-a-2", "?task=T-2"],
        ["auditor", "?agent=a-1"],
      ] as const)
        await followed({ token: token(who), query });
    });
  });

  describe("as a stream ends:", () => {
    it("ends when the caller's token expires, saying so, and goes on with another", async () => {
      const keys = [{ kid: "k1", algorithm: "ES256", file: "issuer.pem" }];
      const issuers = [{ issuer: "https://issuer.example", audience: { callers: "remit" }, keys }];
      await start({ events: { heartbeat_ms: 60_000 }, identity: { issuers, leeway_s: 0 } });
      // Long enough that a busy machine opens the stream before it ends.
      const short = tokenFor("remit:decide", "pep-1", 10);
      const identity = await followed({ token: short });
      expect(await identity.end()).to.equal("token_expired");
      expect(await refused({ token: short })).to.equal("401 token_expired authorization");
      await followed({ lastEventId: identity.lastId ?? "" });
    });

    it("ends at once when the caller's token is revoked, after saying so", async () => {
      await start({ events: { heartbeat_ms: 60_000 } });
      const [mine, others] = [
        await followed({ token: tokenFor("remit:decide", "pep-1", 3600, { jti: "j-1" }) }),
        await followed({ token: tokenFor("remit:decide", "pep-1", 3600, { jti: "j-2" }) }),
      ];
      const { revision: of } = await revoke({ token: "j-1" });
      expect(await mine.end()).to.equal("caller_token_revoked");
      await revoke({ everything: true });
      await others.until(() => others.told.at(-1) === "revoked revocation/everything");
      expect(mine.told.filter((one) => !one.startsWith("revoked revocation/token/j-1"))).to.deep.equal([]);
      expect(others.changes.map(({ revision: one }) => one)).to.include(of);
      expect(await metric('remit_event_streams_ended_total\\{code="caller_token_revoked"\\}')).to.equal(1);
    });

    it("takes so many of a caller, refuses it more for the moment, and has room again when one leaves", async () => {
      await start({ events: { subscribers_max: 2, heartbeat_ms: 60_000 } });
      const first = await followed();
      await followed();
      expect(await followed().then(() => "followed", String)).to.contain("503 subscribers_full");
      expect(await metric("remit_event_subscribers")).to.equal(2);
      first.close();
      while ((await metric("remit_event_subscribers")) > 1) await new Promise((resolve) => setTimeout(resolve, 5));
      await followed();
    });

    it("can be turned off", async () => {
      await start({ events: { subscribers_max: 0 } });
      expect(await refused({})).to.equal("503 subscribers_full");
    });

    it("keeps no place for those that are gone before they were answered", async () => {
      await start({ events: { subscribers_max: 4, heartbeat_ms: 60_000 } });
      for (let i = 0; i < 50; i++) {
        const socket = connect(service.port, "127.0.0.1");
        await once(socket, "connect");
        socket.write(`GET /events HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer ${DECIDE}\r\n\r\n`);
        if (i % 2 === 0) await new Promise((resolve) => setImmediate(resolve));
        socket.resetAndDestroy();
      }
      while ((await metric("remit_event_subscribers")) > 0) await new Promise((resolve) => setTimeout(resolve, 5));
      await followed();
    });

    it("ends with the service, which waits neither for those that read nor for those that don't", async () => {
      await start({ limits: { shutdown_ms: 60_000 }, events: { heartbeat_ms: HEARTBEAT_MS } });
      const reading = await followed();
      const notReading = await followed();
      notReading.pause();
      await service.stopKeeping();
      expect(await reading.end()).to.equal("shutting_down");
      expect(reading.text).to.match(/retry: \d+\nevent: end\n/);
    });
  });

  it("gives whoever reconnects at any moment each change once, in order, while others change facts", async () => {
    const agents = ["a-1", "a-2", "a-3"];
    await start({ callers: { "gateway-1": {}, "pep-all": {}, "pep-2": { agents: ["a-2"] } } });
    for (const id of agents) await withAgent(service, { id, owner: `${id}@example.com` });
    const dice = new Dice(20_261_125);
    const from = await revision();
    let over = false;
    let made: () => void = () => undefined;
    const allMade = new Promise<void>((resolve) => (made = resolve));
    const reconnecting = async (subject: string): Promise<number[]> => {
      const heard: number[] = [];
      const token = tokenFor("remit:decide", subject);
      let lastEventId = String(from);
      for (let last = false; !last;) {
        last = over;
        const follower = await follow({ token, lastEventId });
        if (last) await follower.ready();
        else {
          const enough = dice.below(6);
          await follower.until(() => over || follower.changes.length >= enough);
          if (over) await allMade;
        }
        follower.close();
        heard.push(...follower.changes.flatMap(({ revision: of }) => (of as number | null) ?? []));
        lastEventId = follower.lastId ?? lastEventId;
      }
      return heard;
    };
    const changing = async (agent: string): Promise<void> => {
      for (let i = 0; i < 60; i++) {
        await task(`T-${agent}-${i}`, { agent });
        if (dice.chance(50)) await revoke({ agent });
        if (dice.chance(50)) await done("PATCH", `/tasks/T-${agent}-${i}`, { ended: true });
        if (dice.chance(50)) await asked("POST", `/revocations/agent/${agent}/lift`, lift);
      }
    };
    const following = ["pep-all", "pep-all", "pep-2"].map(reconnecting);
    await Promise.all(agents.map(changing));
    // Whoever waits for a change looks again.
    over = true;
    await revoke({ everything: true });
    made();
    const heard = await Promise.all(following);
    const changes = (await done("GET", `/facts/events?after=${from}&limit=1000`))["items"] as Json[];
    const all = changes.map(({ revision: of }) => of as number);
    const ofA2 = changes.filter(
      ({ key, value }) => key === "revocation/everything" || said(key).includes("a-2") || (value as Json)["agent"] === "a-2",
    );
    expect(heard).to.deep.equal([all, all, ofA2.map(({ revision: of }) => of)]);
    expect(ofA2.length).to.be.within(60, all.length - 60);
  });

  it("is described in the OpenAPI document, every form of its events included", async () => {
    await start();
    const { paths, components } = (await asked("GET", "/openapi.json", undefined, { token: "" })).body as {
      paths: Record<string, Json>;
      components: { schemas: Record<string, { anyOf?: { $ref: string }[]; properties?: { event: { enum: string[] } } }> };
    };
    const operation = paths["/events"]?.["get"] as {
      parameters: { name: string }[];
      responses: Record<string, { content: Record<string, { schema: { $ref: string } }> }>;
    };
    const named = (ref = ""): (typeof components.schemas)[string] | undefined =>
      components.schemas[ref.replace("#/components/schemas/", "")];
    expect(operation.parameters.map(({ name }) => name)).to.deep.equal([
      "agent",
      "task",
      "after",
      "values",
      "heartbeat_ms",
      "Last-Event-ID",
    ]);
    const forms = named(operation.responses["200"]?.content["text/event-stream"]?.schema.$ref)?.anyOf ?? [];
    expect(forms.flatMap(({ $ref }) => named($ref)?.properties?.event.enum)).to.deep.equal([
      "change",
      "fact",
      "snapshot",
      "ready",
      "reset",
      "policy",
      "echo",
      "end",
    ]);
    expect(Object.keys(operation.responses)).to.include.members(["400", "401", "403", "404", "503"]);
  });
});
