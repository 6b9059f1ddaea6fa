import { expect } from "chai";
import type { Finding } from "../../src/contract/index.js";
import type { News } from "../../src/findings/findings.js";
import { messageOf, pagerDutyEvent } from "../../src/findings/messages.js";

type Json = Record<string, unknown>;

const CONSOLE = "https://console.example/";
const EVIL = "<!channel> [click](https://evil.example) & <https://evil.example|here>";

const FINDING = {
  id: "F-0198c5a1-0000-7000-8000-000000000001",
  about: "code",
  code: "large_refund",
  agent: "support-7",
  version: "3",
  purpose: "customer_support",
  severity: "high",
  risk: 40,
  actions: { all: 2, allow: 0, deny: 1, flag: 1 },
  tasks: ["T-1"],
  codes: [],
  reasons: [{ code: "large_refund", message: `a refund to ${EVIL}`, count: 2 }],
  first: [],
  last: [],
  waiting: [
    {
      ...{ decision_id: "d", action_digest: "a", approval_digest: "b", until: "2026-03-03T09:15:00Z", purpose: "customer_support" },
      ...{ policy: "p", caller: "gateway-1", principals: [], more: 0, fields: [{ field: "/arguments/to", value: JSON.stringify(EVIL) }] },
    },
  ],
  first_seen: "2026-03-03T09:00:00Z",
  last_seen: "2026-03-03T09:00:01Z",
  state: "open",
  verdict: null,
  revision: 0,
} as unknown as Finding;

const news = (changes: Partial<Finding> = {}): News => ({
  change: "opened",
  finding: { ...FINDING, ...changes },
  at: { seq: 1, revision: 0 },
});
const judged = (state: Finding["state"]): News =>
  news({ state, verdict: { by: "ann@example.com", reason: "it was planned" } as unknown as Finding["verdict"] });

/** Every object within a value, with its parents' names left out. */
function objectsIn(value: unknown): Json[] {
  if (typeof value !== "object" || value === null) return [];
  return [...(Array.isArray(value) ? [] : [value as Json]), ...Object.values(value).flatMap(objectsIn)];
}

describe("messages of a webhook", () => {
  it("tell Slack in plain text, so that a request calls nobody and links to nothing", () => {
    const message = messageOf("slack", news(), CONSOLE) as Json;
    const types = objectsIn(message).flatMap(({ type, text }) => (typeof text === "string" && type !== undefined ? [type] : []));
    expect(new Set(types)).to.deep.equal(new Set(["plain_text"]));
    expect(message["text"]).to.not.match(/[<>]/);
    const text = JSON.stringify(message);
    expect(text).to.include("support-7").and.include("waits until 2026-03-03T09:15:00Z").and.include("/arguments/to");
    expect(text).to.include(`"url":"https://console.example/findings/${FINDING.id}"`);
  });

  const buttonsIn = (waiting: object): Json[] =>
    objectsIn(
      messageOf("slack", news({ waiting: [{ ...FINDING.waiting[0], ...waiting } as Finding["waiting"][number]] }), null, true),
    ).filter(({ action_id }) => action_id === "remit_approve");

  it("have a button in Slack for an action that is shown whole, which says what it approves", () => {
    const fields = Array.from({ length: 32 }, (_, i) => ({ field: `/arguments/a${i}`, value: JSON.stringify("x".repeat(40)) }));
    const [button] = buttonsIn({ fields });
    expect(JSON.parse(String(button?.["value"]))).to.deep.equal({ finding: FINDING.id, decision: "d", approval: "b" });
    expect(String(button?.["value"]).length).to.be.below(2000);
    const texts = objectsIn(
      messageOf("slack", news({ waiting: [{ ...FINDING.waiting[0], fields } as Finding["waiting"][number]] }), null, true),
    ).flatMap(({ text }) => (typeof text === "string" ? [text] : []));
    for (const { field, value } of fields)
      expect(
        texts.some((text) => text.includes(`${field}: ${value}`)),
        field,
      ).to.equal(true);
    expect(Math.max(...texts.map((text) => text.length))).to.be.at.most(3000);
  });

  const PARTIAL: [what: string, waiting: object][] = [
    ["where values are left out", { more: 1 }],
    ["where all are, since the request was too large", { fields: [], more: null, principals: null }],
    ["where a value is cut", { fields: [{ field: "/arguments/to", value: '"DE02…' }] }],
    ["where a name is cut", { fields: [{ field: "/arguments/to…", value: '"a"' }] }],
  ];
  for (const [what, waiting] of PARTIAL) {
    it(`have no button in Slack ${what}`, () => {
      expect(buttonsIn(waiting)).to.deep.equal([]);
    });
  }

  it("have no button for what doesn't wait, in other forms, or unless it is wanted", () => {
    const hasButton = (message: object): boolean => JSON.stringify(message).includes("remit_approve");
    expect(hasButton(messageOf("slack", news(), null, true))).to.equal(true);
    expect(hasButton(messageOf("slack", news(), null))).to.equal(false);
    expect(hasButton(messageOf("slack", news({ waiting: [] }), null, true))).to.equal(false);
    expect(hasButton(messageOf("slack", judged("expected"), null, true))).to.equal(false);
    expect(hasButton(messageOf("teams", news(), null, true))).to.equal(false);
  });

  it("tell Teams in text runs, which know no Markdown", () => {
    const message = messageOf("teams", news(), CONSOLE) as { type: string; attachments: { contentType: string; content: Json }[] };
    expect(message.type).to.equal("message");
    const [attachment] = message.attachments;
    expect(attachment?.contentType).to.equal("application/vnd.microsoft.card.adaptive");
    const blocks = attachment?.content["body"] as Json[];
    expect(new Set(blocks.map(({ type }) => type))).to.deep.equal(new Set(["RichTextBlock"]));
    expect(attachment?.content["actions"]).to.deep.equal([
      { type: "Action.OpenUrl", title: "Look into it", url: `https://console.example/findings/${FINDING.id}` },
    ]);
  });

  const events: [what: string, of: News, action: string][] = [
    ["open", news(), "trigger"],
    ["in review", judged("in_review"), "acknowledge"],
    ["open again", judged("open"), "trigger"],
    ["expected", judged("expected"), "resolve"],
    ["misuse", judged("misuse"), "resolve"],
  ];
  for (const [what, of, action] of events) {
    it(`tell PagerDuty of a finding that is ${what}: ${action}, of one alert`, () => {
      const event = pagerDutyEvent(of, CONSOLE, "R0UTE") as Json;
      expect(event).to.include({ routing_key: "R0UTE", dedup_key: FINDING.id, event_action: action });
      expect(action === "trigger").to.equal(event["payload"] !== undefined);
    });
  }

  it("fit into what PagerDuty takes, and give its severities", () => {
    const severities = (["info", "low", "medium", "high", "critical"] as const).map((severity) => {
      const event = pagerDutyEvent(news({ severity, code: "c".repeat(2000) }), null, "k") as {
        payload: { summary: string; severity: string };
      };
      expect(event.payload.summary.length).to.be.at.most(1024);
      return event.payload.severity;
    });
    expect(severities).to.deep.equal(["info", "info", "warning", "error", "critical"]);
  });

  it("say what a person has judged, and by whom", () => {
    for (const format of ["slack", "teams"] as const)
      expect(JSON.stringify(messageOf(format, judged("expected"), null)))
        .to.include("judged expected")
        .and.include("by ann@example.com: it was planned");
  });

  it("stay small whatever a request holds, and link nowhere without a console", () => {
    const fields = Array.from({ length: 32 }, (_, i) => ({ field: `/arguments/a${i}`, value: "x".repeat(256) }));
    const [waiting] = FINDING.waiting;
    const large = news({ agent: "a".repeat(5000), waiting: [{ ...waiting, fields } as Finding["waiting"][number]] });
    for (const format of ["slack", "teams"] as const) {
      const text = JSON.stringify(messageOf(format, large, null));
      expect(text.length, format).to.be.below(15_000);
      expect(text).to.not.include("url");
    }
    const { blocks } = messageOf("slack", large, null) as { blocks: { text: { text: string } }[] };
    expect(blocks.map(({ text }) => text.text.length).every((length, i) => length <= (i === 0 ? 150 : 3000))).to.equal(true);
  });

  it("are the finding itself for receivers of Standard Webhooks", () => {
    expect(messageOf("standard", news(), CONSOLE)).to.deep.equal({ type: "finding.opened", timestamp: FINDING.last_seen, data: FINDING });
  });
});
