import { expect } from "chai";
import type { FoundRecord, Histogram, Novelty, RecordPage, ShownRecord, Summary } from "../../src/contract/index.js";
import { EVERY, ask, inAnHour, runWithFacts, withAgent, type Told } from "./asking.js";
import { Follower } from "./following.js";
import { REQUEST, tokenFor, type Running } from "./running.js";
import { AUDIT } from "./decisions_support.js";

describe("the records over HTTP", function () {
  let service: Running;

  const asked = (path: string, token = AUDIT): Promise<Told> => ask(service, "GET", path, { token });
  const page = async (query: string): Promise<RecordPage> => (await asked(`/decisions?${query}`)).body as unknown as RecordPage;
  const decide = async (changes: object = {}, token = EVERY): Promise<string> => {
    const { body } = await ask(service, "POST", "/decide", { body: { ...REQUEST, ...changes }, token });
    return String(body["decision_id"]);
  };
  const note = (id: string): object => ({ resource: { type: "note", id, attributes: { customer: "ada" } } });

  describe("of actions for people:", () => {
    before(async () => {
      service = await runWithFacts();
      await withAgent(service);
    });
    after(() => service.stop());

    it("are found by the person that they were for, and by who owns the agent, also what was refused before any policy", async () => {
      const task = { id: "T-ada", agent: "a-1", purpose: "testing", principal: "ada", expires: inAnHour() };
      expect((await ask(service, "POST", "/tasks", { body: task })).outcome).to.equal("201");
      const allowed = await decide({ task: "T-ada" });
      expect((await ask(service, "POST", "/revocations", { body: { scope: { principal: "ada" }, reason: "left" } })).outcome).to.equal(
        "200",
      );
      const refused = await decide({ task: "T-ada" });
      const ids = async (query: string): Promise<unknown[]> =>
        (await page(query)).items.map(({ record }) => (record as { answer?: { decision_id: string } }).answer?.decision_id);
      expect(await ids("principal=ada")).to.deep.equal([refused, allowed]);
      expect(await ids("principal=ada&owner=tests%40example.com")).to.deep.equal([allowed]);
      expect(await ids("principal=bob")).to.deep.equal([]);
      expect(await ids("owner=nobody")).to.deep.equal([]);
    });
  });

  describe("of a running service:", () => {
    before(async () => {
      service = await runWithFacts();
      await withAgent(service);
      await withAgent(service, { id: "a-2" });
    });
    after(() => service.stop());

    it("have a decision as soon as it is answered, whole, with its place", async () => {
      for (let i = 0; i < 20; i++) {
        const id = await decide(note(`n-${i}`));
        const { body, status } = await asked(`/decisions/${id}`);
        const { record, seq, leaf, action, outcome, outcomes, beside, beside_missing, indexed_to } = body as unknown as ShownRecord;
        expect([status, leaf, outcomes, beside, beside_missing]).to.deep.equal([200, seq - 1, [], null, false]);
        expect(record).to.nested.include({ "answer.decision_id": id, kind: "decision", seq });
        expect(action).to.deep.equal({ agent: "a-1", purpose: "testing", task: null, verb: "read", type: "note", id: `n-${i}` });
        expect(outcome).to.equal("pending");
        expect(indexed_to).to.be.at.least(seq);
        expect((await asked(`/decisions/${seq}`)).body).to.deep.include({ seq, record });
      }
    });

    it("are found by what they say, newest first, page by page", async () => {
      await decide({ agent: "a-9" });
      await decide({ agent: "a-9", verb: "write" });
      const { items, next } = await page("agent=a-9");
      expect(items.map(({ action }) => action?.verb)).to.deep.equal(["write", "read"]);
      expect(next).to.equal(null);
      const first = await page("agent=a-9&limit=1");
      const second = await page(`agent=a-9&limit=1&cursor=${first.next ?? ""}`);
      expect([...first.items, ...second.items].map(({ seq }) => seq)).to.deep.equal(items.map(({ seq }) => seq));
      expect(second.next).to.equal(null);
      expect((await page("agent=a-9&order=oldest&decision=deny&severity=low")).items).to.have.lengthOf(2);
      expect((await page("agent=a-9&decision=allow,flag")).items).to.deep.equal([]);
      expect((await page("resource_prefix=n-1&resource=n-11&proceed=true&finding=false")).items).to.have.lengthOf(1);
      expect((await page("from=2999-01-01T00:00:00Z")).items).to.deep.equal([]);
    });

    it("have changes of facts and what the service did, where they are asked for", async () => {
      const keys = async (query: string): Promise<unknown[]> =>
        (await page(query)).items.map(({ record }) => (record as { change?: string }).change);
      expect(await keys("key=agent/a-2")).to.deep.equal(["agent_created"]);
      expect(await keys("kind=facts&caller=gateway-1&order=oldest")).to.deep.equal(["agent_created", "agent_created"]);
      expect(await keys("kind=service,bundle&order=oldest")).to.deep.equal(["started", "activated"]);
      await asked("/decisions", "notatoken");
      // It is on disk some time after its answer, which waits for nothing.
      let refusals: FoundRecord[] = [];
      while (refusals.length === 0) refusals = (await page("kind=refusal&key=token_invalid")).items;
      expect(refusals).to.have.lengthOf(1);
    });

    it("are counted by what they have in common, and tell what is new", async () => {
      const denied = (await asked("/decisions/summary?by=rule&decision=deny")).body as unknown as Summary;
      expect(denied.groups.map(({ of, records }) => ({ ...of, records }))).to.deep.include({
        rule: "agent_unknown",
        effect: "deny",
        severity: "high",
        records: 2,
      });
      const who = (await asked("/decisions/summary?by=agent,verb&type=note&resource=n-1")).body as unknown as Summary;
      expect(who.groups.map(({ of }) => of)).to.deep.include({ agent: "a-9", verb: "write" });
      const over = (await asked("/decisions/histogram?by=decision&step=day&agent=a-9")).body as unknown as Histogram;
      expect(over.counts.map(({ of, deny }) => ({ ...of, deny }))).to.deep.equal([{ decision: "deny", deny: 2 }]);
      const { items } = (await asked("/decisions/summary?by=new&limit=1000")).body as unknown as Novelty;
      expect(items.map(({ field, value }) => [field, value])).to.deep.include.members([
        ["agent", "a-9"],
        ["verb", "write"],
        ["habit", "a-9 write note"],
      ]);
      expect((await asked("/decisions/summary?by=new&from=2999-01-01T00:00:00Z")).body["items"]).to.deep.equal([]);
    });

    it("say how far was looked, and how far behind a search may be", async () => {
      const { indexed_to, items } = await page("kind=decision");
      expect(indexed_to).to.be.at.least(items[0]?.seq ?? Infinity);
      const { text } = await ask(service, "GET", "/metrics");
      expect(text)
        .to.match(/remit_index_seq \d+/)
        .and.match(/remit_index_lag_records \d+/);
    });

    const refused: [path: string, outcome: string][] = [
      ["/decisions?colour=red", "400 parameter_unknown colour"],
      ["/decisions?agent=", "400 parameter_invalid agent"],
      ["/decisions?agent=a-1&agent=a-2", "400 parameter_invalid agent"],
      [`/decisions?agent=${"x".repeat(200)}`, "400 parameter_invalid agent"],
      ["/decisions?kind=thought", "400 parameter_invalid kind"],
      ["/decisions?kind=decision,decision", "400 parameter_invalid kind"],
      ["/decisions?kind=decision,", "400 parameter_invalid kind"],
      ["/decisions?decision=maybe", "400 parameter_invalid decision"],
      ["/decisions?severity=mild", "400 parameter_invalid severity"],
      ["/decisions?bundle=latest", "400 parameter_invalid bundle"],
      ["/decisions?proceed=yes", "400 parameter_invalid proceed"],
      ["/decisions?outcome=lost", "400 parameter_invalid outcome"],
      ["/decisions?from=yesterday", "400 parameter_invalid from"],
      ["/decisions?from=2026-02-30T00:00:00Z", "400 parameter_invalid from"],
      ["/decisions?from=2026-01-02T00:00:00Z&to=2026-01-01T00:00:00Z", "400 parameter_invalid to"],
      ["/decisions?order=random", "400 parameter_invalid order"],
      ["/decisions?limit=0", "400 parameter_invalid limit"],
      ["/decisions?limit=1001", "400 parameter_invalid limit"],
      ["/decisions?limit=1e2", "400 parameter_invalid limit"],
      ["/decisions?cursor=abc", "400 parameter_invalid cursor"],
      ["/decisions?cursor=cjA", "400 parameter_invalid cursor"],
      ["/decisions?agent=%ff", "400 parameter_invalid agent"],
      ["/decisions/summary", "400 parameter_missing by"],
      ["/decisions/summary?by=colour", "400 parameter_invalid by"],
      ["/decisions/summary?by=agent,verb,type,task,caller", "400 parameter_invalid by"],
      ["/decisions/summary?by=new,agent", "400 parameter_invalid by"],
      ["/decisions/summary?by=new&agent=a-1", "400 parameter_invalid agent"],
      ["/decisions/summary?by=agent&cursor=x", "400 parameter_unknown cursor"],
      ["/decisions/histogram?by=rule", "400 parameter_invalid by"],
      ["/decisions/histogram?by=agent,verb,type", "400 parameter_invalid by"],
      ["/decisions/histogram?step=week", "400 parameter_invalid step"],
      ["/decisions/histogram?limit=5", "400 parameter_unknown limit"],
      ["/decisions/stream?outcome=missing", "400 parameter_unknown outcome"],
      ["/decisions/stream?after=-1", "400 parameter_invalid after"],
      ["/decisions/0190a5e4-7c1a-7000-8000-000000000001", "404 record_not_found"],
      ["/decisions/999999999", "404 record_not_found"],
      ["/decisions/..%2f..%2fetc", "404 record_not_found"],
      ["/decisions/x?proof=1", "400 parameter_unknown proof"],
    ];
    for (const [path, outcome] of refused) {
      it(`refuse ${path.length > 60 ? `${path.slice(0, 60)}…` : path}: ${outcome}`, async () => {
        const { outcome: found, body } = await asked(path);
        expect(found).to.equal(outcome);
        if (outcome.startsWith("400")) expect(body["expected"]).to.be.a("string").and.not.equal("");
      });
    }

    it("are for who audits, and nobody else", async () => {
      const others = tokenFor("remit:decide remit:register remit:revoke remit:publish remit:admin");
      for (const path of ["/decisions", "/decisions/1", "/decisions/summary?by=agent", "/decisions/histogram", "/decisions/stream"]) {
        expect((await asked(path, others)).outcome).to.equal("403 scope_missing authorization");
        expect((await asked(path, "")).outcome).to.match(/^401 token_missing/);
      }
    });

    it("that say what became of an action show it", async () => {
      const id = await decide(note("n-outcome"));
      const said = await ask(service, "POST", `/decisions/${id}/outcome`, { body: { outcome: "done", took_ms: 12 } });
      expect(said.status).to.equal(200);
      const shown = (await asked(`/decisions/${id}`)).body as unknown as ShownRecord;
      expect([shown.outcome, shown.outcomes.map(({ took_ms }) => took_ms)]).to.deep.equal(["done", [12]]);
      const found = await page("resource=n-outcome&outcome=done,failed");
      expect(found.items.map(({ seq }) => seq)).to.deep.equal([shown.seq]);
    });
  });

  describe("followed as they come:", () => {
    before(async () => {
      service = await runWithFacts({ events: { heartbeat_ms: 200 } });
      await withAgent(service);
    });
    after(() => service.stop());
    const follow = (query = "", lastEventId?: string | number): Promise<Follower> =>
      Follower.follow(service, { token: AUDIT, path: "/decisions/stream", query, ...(lastEventId !== undefined && { lastEventId }) });
    const records = ({ events }: Follower): { seq: number; resource: string | null | undefined }[] =>
      events
        .filter(({ event }) => event === "record")
        .map(({ data }) => {
          const { seq, action } = data as unknown as FoundRecord;
          return { seq, resource: action?.id };
        });

    it("tell those that match, in order, and nothing else", async () => {
      const follower = await follow("?resource_prefix=s-&decision=allow");
      await follower.ready();
      for (const id of ["s-1", "t-1", "s-2"]) await decide(note(id));
      await decide({ ...note("s-3"), agent: "nobody" });
      await decide(note("s-4"));
      await follower.until(() => records(follower).length >= 3);
      expect(records(follower).map(({ resource }) => resource)).to.deep.equal(["s-1", "s-2", "s-4"]);
      for (const { seq } of records(follower)) expect(follower.text).to.contain(`id: ${seq}\nevent: record\ndata: {`);
      expect(follower.lastId).to.equal(String(records(follower).at(-1)?.seq));
      follower.close();
    });

    it("go on where they were, without a gap and nothing twice, whenever a connection ends", async () => {
      const seqs: number[] = [];
      let lastId: string | null = null;
      let decisions = 0;
      for (let connection = 0; connection < 6; connection++) {
        const follower = await follow("?agent=a-1&resource_prefix=g-", lastId ?? 0);
        const some = Array.from({ length: 40 }, () => decide(note(`g-${decisions++}`)));
        await follower.until(() => records(follower).length > 3);
        follower.close();
        seqs.push(...records(follower).map(({ seq }) => seq));
        lastId = follower.lastId;
        await Promise.all(some);
      }
      const last = await follow("?agent=a-1&resource_prefix=g-", lastId ?? 0);
      await last.until(() => seqs.length + records(last).length >= decisions);
      last.close();
      seqs.push(...records(last).map(({ seq }) => seq));
      const all = await page("agent=a-1&resource_prefix=g-&limit=1000&order=oldest");
      expect(seqs).to.deep.equal(all.items.map(({ seq }) => seq));
      expect(seqs).to.have.lengthOf(decisions);
    });

    it("move an id on by heartbeats, where nothing matches", async () => {
      const follower = await follow("?agent=nobody-at-all");
      await decide();
      const { indexed_to } = await page("limit=1");
      await follower.until(() => Number(follower.lastId) >= indexed_to);
      expect(records(follower)).to.deep.equal([]);
      follower.close();
    });

    it("begin after a record that is asked for, and say so where the log doesn't go as far", async () => {
      const follower = await follow("?after=0&kind=service");
      await follower.until(() => records(follower).length === 1);
      expect(records(follower)[0]?.seq).to.equal(1);
      follower.close();
      const ahead = await follow("", 999_999_999);
      await ahead.until(() => ahead.events.length >= 2);
      expect(ahead.events.map(({ event }) => event).slice(0, 2)).to.deep.equal(["reset", "ready"]);
      ahead.close();
    });

    it("end when the service stops", async () => {
      const follower = await follow();
      await follower.ready();
      await service.stopKeeping();
      expect(await follower.end()).to.equal("shutting_down");
    });
  });
});
