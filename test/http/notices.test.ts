import { readFileSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { expect } from "chai";
import type { FindingPage, LogRecord, NoticeRecord } from "../../src/contract/index.js";
import { Incidents } from "../../src/findings/incidents.js";
import { sightedNotice } from "../../src/findings/notices.js";
import { recallIncidents } from "../../src/findings/recall.js";
import { EVERY, ask, runWithFacts, withAgent, type Told } from "./asking.js";
import { tokenFor, type Running } from "./running.js";

const GUARD = tokenFor("remit:decide", "guard");
const GUARD_OF_ALL = tokenFor("remit:decide", "guard-of-all");
const SENSOR = tokenFor("remit:observe", "collector");
const CHANGED = { code: "tool_changed", agent: "a-1", purpose: "testing", server: "crm", tool: "get_note", changed: ["description"] };

function notices({ folder }: Running): NoticeRecord[] {
  const log = join(folder, "log");
  return (
    readdirSync(log)
      .filter((name) => name.endsWith(".jsonl"))
      .sort()
      // Without the line that is being written.
      .flatMap((name) => readFileSync(join(log, name), "utf8").split("\n").slice(0, -1))
      .map((text) => JSON.parse(text) as LogRecord)
      .filter((record): record is NoticeRecord => record.kind === "notice")
  );
}

describe("notices", function () {
  let service: Running;
  const report = (body: unknown, token = GUARD): Promise<Told> => ask(service, "POST", "/notices", { body, token });
  const list = async (query: string): Promise<FindingPage["items"]> =>
    ((await ask(service, "GET", `/findings${query}`)).body as unknown as FindingPage).items;

  before(async () => {
    service = await runWithFacts({
      callers: { guard: { agents: ["a-1"] }, "guard-of-all": {}, "gateway-1": {}, admin: {} },
      observe: { sensors: { collector: { silent_after_ms: 1000 } } },
    });
    await withAgent(service);
  });
  after(() => service.stop());

  it("of a tool that changed are on record, and a finding of its agent that grows", async () => {
    const { status, body } = await report(CHANGED);
    expect(status).to.equal(200);
    const again = await report({ ...CHANGED, tool: "other" });
    expect(again.body["finding"]).to.equal(body["finding"]);
    const [first] = notices(service).filter(({ code }) => code === "tool_changed");
    expect(first).to.deep.include({
      ...{ agent: "a-1", caller: "guard", purpose: "testing", severity: "high", finding: body["finding"] },
      message: "tool get_note of crm is not what was approved: description",
      detail: { server: "crm", tool: "get_note", changed: ["description"] },
    });
    const [finding] = await list("?code=tool_changed");
    expect(finding).to.deep.include({ agent: "a-1", code: "tool_changed", state: "open", severity: "high" });
    expect(finding?.codes).to.deep.equal([{ code: "tool_changed", severity: "high", count: 2 }]);
    expect(finding?.actions.all, "nobody did anything").to.equal(0);
    const shown = await ask(service, "GET", `/findings/${String(body["finding"])}`);
    expect((shown.body["timeline"] as { record: { kind: string } }[]).map(({ record }) => record.kind)).to.deep.equal(["notice", "notice"]);
  });

  it("are found among the records by kind, code and agent", async () => {
    const { body } = await ask(service, "GET", "/decisions?kind=notice&key=tool_changed&agent=a-1&finding=true");
    expect(body["items"]).to.have.lengthOf(2);
  });

  it("are judged like all findings", async () => {
    const [finding] = await list("?code=tool_changed");
    const headers = { "if-match": '"0"' };
    const body = { state: "expected", seen: 0, reason: "a release" };
    const judged = await ask(service, "POST", `/findings/${finding?.id ?? ""}`, { body, headers });
    expect([judged.status, judged.body["state"]]).to.deep.equal([200, "expected"]);
    const next = await report(CHANGED);
    expect(next.body["finding"], "what comes after a verdict is another").to.not.equal(finding?.id);
    const proposed = await ask(service, "POST", `/findings/${String(next.body["finding"])}`, {
      body: { state: "policy_gap", reason: "?" },
      headers,
    });
    expect(proposed.status).to.equal(200);
  });

  const refused: [what: string, asking: () => Promise<Told>, outcome: string][] = [
    ["without a token", () => report(CHANGED, ""), "401 token_missing"],
    ["by a token for something else", () => report(CHANGED, SENSOR), "403 scope_missing"],
    ["of somebody else's agent", () => report({ ...CHANGED, agent: "a-2" }), "403 agent_not_permitted"],
    ["of an agent that nobody has registered", () => report({ ...CHANGED, agent: "made-up" }, GUARD_OF_ALL), "404 agent_not_found"],
    ["of a code that is the service's own", () => report({ ...CHANGED, code: "sensor_silent" }), "400 field_invalid /code"],
    ["without an agent", () => report({ ...CHANGED, agent: undefined }), "400 field_missing /agent"],
    ["with more than is known", () => report({ ...CHANGED, severity: "info" }), "400 field_unknown /severity"],
    ["of more than a notice holds", () => report({ ...CHANGED, changed: Array(33).fill("x") }), "400 field_invalid /changed"],
    ["of a name without end", () => report({ ...CHANGED, tool: "x".repeat(257) }), "400 field_invalid /tool"],
  ];
  it("say which code was expected of them", async () => {
    const { body } = await report({ ...CHANGED, code: "tool_chnged" });
    expect(body).to.include({ code: "field_invalid", field: "/code", expected: "`tool_changed`" });
  });

  for (const [what, asking, outcome] of refused) {
    it(`are refused ${what}`, async () => {
      const before = notices(service).length;
      expect((await asking()).outcome).to.match(new RegExp(`^${outcome}`));
      expect(notices(service)).to.have.lengthOf(before);
    });
  }

  it("are the service's own of a sensor that falls silent, and that is heard again", async () => {
    const silent = (): NoticeRecord | undefined => notices(service).find(({ code }) => code === "sensor_silent");
    // It is on record before it is known to be, and a finding from then on.
    let found: FindingPage["items"] = [];
    while (found.length === 0) found = await list("?code=sensor_silent");
    expect(silent()).to.deep.include({ caller: "collector", agent: null, purpose: null, severity: "high" });
    const [finding] = found;
    expect(finding).to.deep.include({ id: silent()?.finding, agent: null, purpose: null, state: "open" });
    expect((await ask(service, "GET", "/metrics", { token: EVERY })).text).to.match(/remit_sensors_silent 1/);
    const lines = { body: "", token: SENSOR, headers: { "content-type": "application/x-ndjson" } };
    expect((await ask(service, "POST", "/observe", lines)).status).to.equal(200);
    while (notices(service).every(({ code }) => code !== "sensor_heard")) await new Promise((resolve) => setTimeout(resolve, 5));
    expect(notices(service).find(({ code }) => code === "sensor_heard")).to.not.have.property("finding");
    expect(service.said()).to.match(/"event":"sensor_silent"/);
  });

  it("belong after a start to the finding that they belonged to before", async () => {
    const [, , last] = notices(service).filter(({ code }) => code === "tool_changed");
    const silent = notices(service).find(({ code }) => code === "sensor_silent") ?? expect.fail();
    const { body } = await report(CHANGED);
    await service.stopKeeping();
    const incidents = new Incidents();
    recallIncidents(join(service.folder, "log"), incidents, Date.now());
    const placed = (of: NoticeRecord): string | null =>
      incidents.place(sightedNotice({ ...of, id: "0195584e-9c00-7e0c-8a6e-3f2b6f0a1d11" }));
    expect(placed(last ?? expect.fail())).to.equal(body["finding"]);
    expect(placed(silent)).to.equal(silent.finding);
  });
});
