import { expect } from "chai";
import type { AdminRecord, RecordPage } from "../../src/contract/index.js";
import { EVERY, ask, runWithFacts } from "./asking.js";
import { tokenFor, type Running } from "./running.js";

describe("sign-ins that callers' tokens tell of", () => {
  let service: Running;
  before(async () => {
    service = await runWithFacts();
  });
  after(() => service.stop());

  const seconds = Math.floor(Date.now() / 1000);
  const token = (auth_time: number, subject = "ada", jti = `${auth_time}`): string =>
    tokenFor("remit:register remit:audit", subject, 3600, { auth_time, jti });
  const create = (id: string, by: string): Promise<unknown> =>
    ask(service, "POST", "/agents", { body: { id, owner: "desk@example.com", purposes: ["testing"] }, token: by });
  /** Records by who made them: sign-ins with their time, and agents that were created. */
  const recorded = async (): Promise<unknown[]> => {
    const { body } = await ask(service, "GET", "/decisions?kind=admin,facts&order=oldest&limit=100", { token: EVERY });
    return (body as unknown as RecordPage).items.flatMap(({ record }) => {
      if (record.kind === "facts") return [[record.caller, (record as unknown as { agent: { id: string } }).agent.id]];
      const { caller, action, detail } = record as AdminRecord;
      return action === "signed_in" ? [[caller, detail["auth_time"]]] : [];
    });
  };

  it("are on record once each, by whichever token, before what they opened; without `auth_time` there is none", async () => {
    const iso = (at: number): string => new Date(at * 1000).toISOString();
    await create("a-1", token(seconds - 900));
    await create("a-2", token(seconds - 900, "ada", "another token"));
    await create("a-3", token(seconds - 1));
    await create("a-4", token(seconds - 900, "bob"));
    await create("a-5", EVERY);
    let found: unknown[] = [];
    // They are found some time after they are on disk.
    while (found.length < 8) found = await recorded();
    expect(found).to.deep.equal([
      ["ada", iso(seconds - 900)],
      ...[
        ["ada", "a-1"],
        ["ada", "a-2"],
      ],
      ["ada", iso(seconds - 1)],
      ["ada", "a-3"],
      ["bob", iso(seconds - 900)],
      ...[
        ["bob", "a-4"],
        ["gateway-1", "a-5"],
      ],
    ]);
  });
});
