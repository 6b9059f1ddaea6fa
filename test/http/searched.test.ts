import { readFileSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { expect } from "chai";
import type { LogRecord } from "../../src/contract/index.js";
import { RECORDS, ask as askAuthzen, runAuthzen } from "../adapters/authzen/running.js";
import { AUDIT } from "./decisions_support.js";
import { ask } from "./asking.js";
import type { Running } from "./running.js";

const RESOURCE = { type: "record", id: "record-1" };
const ACTION = { name: "view" };
const ALICE = { type: "user", id: "alice" };
const CONTEXT = { purpose: "record_keeping" };

/** Whatever looks at what is permitted or was done, and decides nothing. */
const SEARCHES: Record<string, (service: Running, decision: string) => Promise<{ status: number }>> = {
  "authzen.subject": (service) =>
    askAuthzen(service, "/access/v1/search/subject", { subject: { type: "user" }, action: ACTION, resource: RESOURCE, context: CONTEXT }),
  "authzen.resource": (service) =>
    askAuthzen(service, "/access/v1/search/resource", { subject: ALICE, action: ACTION, resource: { type: "record" }, context: CONTEXT }),
  "authzen.action": (service) => askAuthzen(service, "/access/v1/search/action", { subject: ALICE, resource: RESOURCE, context: CONTEXT }),
  records: (service) => ask(service, "GET", "/decisions", { token: AUDIT }),
  record: (service, decision) => ask(service, "GET", `/decisions/${decision}`, { token: AUDIT }),
  summary: (service) => ask(service, "GET", "/decisions/summary?by=agent", { token: AUDIT }),
  histogram: (service) => ask(service, "GET", "/decisions/histogram", { token: AUDIT }),
  explanations: (service, decision) => ask(service, "POST", "/explain", { body: { decision_id: decision }, token: AUDIT }),
};

describe("searches", function () {
  let service: Running;
  before(async () => {
    service = await runAuthzen(RECORDS);
  });
  after(() => service.stop());

  it("are on record with whoever searched, each kind at its first", async () => {
    const { body } = await askAuthzen(service, "/access/v1/evaluation", {
      subject: ALICE,
      action: ACTION,
      resource: RESOURCE,
      context: CONTEXT,
    });
    const { evaluation_id: decision } = body["context"] as { evaluation_id: string };
    for (const [name, search] of Object.entries(SEARCHES)) {
      const { status } = await search(service, decision);
      expect(status, name).to.equal(200);
    }
    await service.stopKeeping();
    const folder = join(service.folder, "log");
    const lines = readdirSync(folder).filter((name) => name.endsWith(".jsonl"));
    const searches = lines
      .flatMap((name) => readFileSync(join(folder, name), "utf8").trim().split("\n"))
      .map((line) => JSON.parse(line) as LogRecord)
      .flatMap((record) => (record.kind === "admin" && record.action === "search" ? [record] : []));
    expect(searches.map(({ caller, detail }) => `${String(detail["of"])} by ${caller}`)).to.deep.equal(
      Object.keys(SEARCHES).map((name) => `${name} by ${name.startsWith("authzen") ? "gateway-1" : "auditor-1"}`),
    );
  });
});
