import { expect } from "chai";
import type { FoundRecord, RecordPage } from "../../src/contract/index.js";
import { EVERY, ask, runWithFacts, withAgent, type Told } from "./asking.js";
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

  it("count an action as missing its outcome once its answer is no longer valid, and a while after that", async () => {
    service = await runWithFacts({ log: { dir: "log", index: { overdue_ms: 0 } } });
    try {
      await withAgent(service);
      const id = await decide();
      const { record } = (await asked(`/decisions/${id}`)).body as unknown as { record: { answer: { valid_for_ms: number } } };
      expect(record.answer.valid_for_ms).to.be.below(10_000);
      let items: FoundRecord[] = [];
      while (items.length === 0) ({ items } = await page("outcome=missing"));
      expect(items[0]?.outcome).to.equal("missing");
      expect((await page("outcome=pending")).items).to.deep.equal([]);
    } finally {
      await service.stop();
    }
  });

  describe("followed as they come:", () => {
    before(async () => {
      service = await runWithFacts({ events: { heartbeat_ms: 200 } });
      await withAgent(service);
    });
    after(() => service.stop());
    const follow = (query = "", lastEventId?: string | number): Promise<Follower> =>
      Follower.follow(service, { token: AUDIT, path: "/decisions/stream", query, ...(lastEventId !== undefined && { lastEventId }) });

    it("cut who takes nothing, and end for a token that has expired", async () => {
      const stalled = await follow("?after=0");
      stalled.pause();
      for (let i = 0; !service.said().includes('"event":"follower_cut"') && i < 400; i++)
        await Promise.all(Array.from({ length: 50 }, () => decide({ ...note("x".repeat(200)) })));
      expect(service.said()).to.contain('"event":"follower_cut"').and.contain("subscriber_slow");
      stalled.close();
      const brief = await Follower.follow(service, { token: tokenFor("remit:audit", "auditor-2", 1), path: "/decisions/stream" });
      expect(await brief.end()).to.equal("token_expired");
    });
  });
});
