/** Buttons in Slack: what a press approves, in whose name, and which presses are none. */
import { createHmac } from "node:crypto";
import { writeFileSync } from "node:fs";
import { once } from "node:events";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { expect } from "chai";
import { parseConsoleConfig } from "../../src/console/config.js";
import { SlackRequests } from "../../src/console/slack_requests.js";
import { ConsoleProblem } from "../../src/console/problems.js";
import { OTHERS_INVOICE } from "../findings/service_support.js";
import { ConsoleDesk, PERSON, SLACK_SECRET as SECRET, type ConsoleAnswer } from "./running.js";

const TEAM = "T0001";
const ADA = "U0ADA";

interface SlackMessage {
  text: string;
  blocks: { type: string; text?: { text: string }; elements?: { action_id?: string; value?: string; url?: string }[] }[];
}

interface Changed {
  replace_original?: boolean;
  response_type?: string;
  text: string;
  blocks?: SlackMessage["blocks"];
}

const signature = (body: string, timestamp: string, secret = SECRET): string =>
  `v0=${createHmac("sha256", secret).update(`v0:${timestamp}:${body}`).digest("hex")}`;

async function until(holds: () => boolean): Promise<void> {
  while (!holds()) await new Promise((resolve) => setTimeout(resolve, 2));
}

describe("a press of a button in Slack", function () {
  this.timeout(60_000);
  /** Takes what the service posts, and how the console changes it. */
  let slack: Server;
  let origin: string;
  let desk: ConsoleDesk;
  const posted: SlackMessage[] = [];
  const changed: Changed[] = [];
  before(async () => {
    slack = createServer((request, response) => {
      void (async () => {
        let text = "";
        for await (const chunk of request.setEncoding("utf8") as AsyncIterable<string>) text += chunk;
        if (request.url === "/webhook") posted.push(JSON.parse(text) as SlackMessage);
        else changed.push(JSON.parse(text) as Changed);
        response.writeHead(200).end("ok");
      })();
    });
    slack.listen(0, "127.0.0.1");
    await once(slack, "listening");
    origin = `http://127.0.0.1:${(slack.address() as AddressInfo).port}`;
    const people = { [ADA]: PERSON, U0BEA: "bea@example.com" };
    const service = {
      findings: { webhook: { url: `${origin}/webhook`, format: "slack", buttons: true, console_url: "https://console.example" } },
    };
    const opened = ConsoleDesk.open(
      { slack: { signing_secret: "slack.secret", team: TEAM, people, response_origin: origin } },
      { service, agents: 8 },
    );
    desk = await opened;
  });
  beforeEach(() => {
    changed.length = 0;
  });
  after(async () => {
    await desk.close();
    slack.closeAllConnections();
    slack.close();
  });

  const now = (): string => String(Math.floor(desk.desk.clock.wall_ms / 1000));
  /** A message with a button, of a new action that waits. */
  async function waiting(agent: number, asked = OTHERS_INVOICE): Promise<{ message: SlackMessage; value: string }> {
    const { finding = "" } = await desk.desk.decide(asked, agent);
    const buttonOf = (message: SlackMessage): string | undefined =>
      message.blocks.flatMap(({ elements = [] }) => elements).find(({ action_id }) => action_id === "remit_approve")?.value;
    const found = (): SlackMessage | undefined => posted.find((message) => buttonOf(message)?.includes(finding) === true);
    await until(() => found() !== undefined);
    const message = found();
    return { message: message ?? { text: "", blocks: [] }, value: message === undefined ? "" : (buttonOf(message) ?? "") };
  }
  const payload = (value: string, changes: object = {}, message?: SlackMessage): string =>
    new URLSearchParams({
      payload: JSON.stringify({
        type: "block_actions",
        team: { id: TEAM },
        user: { id: ADA, name: "whatever.she.likes" },
        actions: [{ action_id: "remit_approve", value }],
        response_url: `${origin}/respond`,
        ...(message !== undefined && { message }),
        ...changes,
      }),
    }).toString();
  const press = (body: string, headers: Record<string, string> = {}): Promise<ConsoleAnswer> => {
    const timestamp = headers["x-slack-request-timestamp"] ?? now();
    return desk.ask("/slack/actions", {
      method: "POST",
      headers: {
        "content-type": "application/x-www-form-urlencoded",
        "x-slack-request-timestamp": timestamp,
        "x-slack-signature": signature(body, timestamp),
        ...headers,
      },
      body,
    });
  };

  it("approves exactly what the message shows, in that person's name, and the message says so", async () => {
    const { message, value } = await waiting(1);
    const shown = message.blocks.flatMap(({ text }) => text?.text ?? []).join("\n");
    expect(shown).to.include("Approve exactly this").and.include('/verb: "read"').and.include("/resource/id");
    const answer = await press(payload(value, {}, message));
    expect([answer.status, answer.text]).to.deep.equal([200, ""]);
    await until(() => changed.length === 1);
    const [said] = changed;
    expect(said).to.deep.include({ replace_original: true, text: `Approved by ${PERSON}.` });
    expect(said?.blocks?.some(({ type }) => type === "actions")).to.equal(false);
    expect(said?.blocks?.slice(0, 2)).to.deep.equal(message.blocks.slice(0, 2));
    expect((await desk.desk.decide(OTHERS_INVOICE, 1)).proceed).to.equal(true);
    const { body } = await desk.desk.ask("GET", "/grants?agent=support-1");
    expect(JSON.stringify(body)).to.include(`console:${PERSON}`).and.include("approved in Slack");
  });

  it("counts once: a press that comes again changes nothing", async () => {
    const { message, value } = await waiting(2);
    const body = payload(value, {}, message);
    const timestamp = now();
    expect((await press(body, { "x-slack-request-timestamp": timestamp })).status).to.equal(200);
    await until(() => changed.length === 1);
    expect((await desk.desk.decide(OTHERS_INVOICE, 2)).proceed).to.equal(true);
    expect((await press(body, { "x-slack-request-timestamp": timestamp })).code).to.equal("slack_refused");
    expect((await desk.desk.decide(OTHERS_INVOICE, 2)).proceed, "it was approved twice").to.equal(false);
  });

  it("is refused by somebody whom the configuration doesn't name: that one alone is told", async () => {
    const { message, value } = await waiting(3);
    for (const id of ["U0STRANGER", "constructor"]) {
      changed.length = 0;
      expect((await press(payload(value, { user: { id } }, message))).status).to.equal(200);
      await until(() => changed.length === 1);
      expect(changed[0]).to.deep.include({ replace_original: false, response_type: "ephemeral" });
      expect(changed[0]?.text).to.match(/^Nobody in Remit is known/);
    }
    expect((await desk.desk.decide(OTHERS_INVOICE, 3)).proceed).to.equal(false);
  });

  it("approves nothing that the service wouldn't let this person approve", async () => {
    await desk.desk.ask("POST", "/revocations", { scope: { caller: "console:bea@example.com" }, reason: "left" });
    const { message, value } = await waiting(4);
    expect((await press(payload(value, { user: { id: "U0BEA" } }, message))).status).to.equal(200);
    await until(() => changed.length === 1);
    expect(changed[0]?.replace_original).to.equal(false);
    expect(changed[0]?.text).to.match(/^Not approved: .* \(\w+\)\.$/);
    expect((await desk.desk.decide(OTHERS_INVOICE, 4)).proceed).to.equal(false);
  });

  it("of something else than what waits approves nothing, and takes the button away", async () => {
    const { message, value } = await waiting(5);
    const other = await waiting(6);
    const given = JSON.parse(value) as Record<string, string>;
    const foreign = JSON.parse(other.value) as Record<string, string>;
    for (const mixed of [
      { ...given, approval: foreign["approval"] },
      { ...given, decision: foreign["decision"] },
    ]) {
      changed.length = 0;
      expect((await press(payload(JSON.stringify(mixed), {}, message))).status).to.equal(200);
      await until(() => changed.length === 1);
      expect(changed[0]).to.deep.include({ replace_original: true, text: "What this message shows doesn't wait any more." });
    }
    for (const agent of [5, 6]) expect((await desk.desk.decide(OTHERS_INVOICE, agent)).proceed).to.equal(false);
  });

  const old = (seconds: number): string => String(Number(now()) - seconds);
  /** Presses that Slack didn't send just now, for this workspace. */
  const FORGED: [what: string, press: (value: string) => Promise<ConsoleAnswer>, code: string][] = [
    [
      "with another secret's signature",
      (value) => press(payload(value), { "x-slack-signature": signature(payload(value), now(), "other") }),
      "slack_refused",
    ],
    [
      "with the signature of another body",
      (value) => press(payload(value), { "x-slack-signature": signature("payload={}", now()) }),
      "slack_refused",
    ],
    [
      "with the signature of another time",
      (value) => press(payload(value), { "x-slack-signature": signature(payload(value), old(1)) }),
      "slack_refused",
    ],
    [
      "in another version",
      (value) => press(payload(value), { "x-slack-signature": signature(payload(value), now()).replace("v0", "v1") }),
      "slack_refused",
    ],
    ["without a signature", (value) => press(payload(value), { "x-slack-signature": "" }), "slack_refused"],
    ["that is old", (value) => press(payload(value), { "x-slack-request-timestamp": old(301) }), "slack_refused"],
    ["of a time to come", (value) => press(payload(value), { "x-slack-request-timestamp": old(-301) }), "slack_refused"],
    ["of no time", (value) => press(payload(value), { "x-slack-request-timestamp": "NaN" }), "slack_refused"],
    ["in another workspace", (value) => press(payload(value, { team: { id: "T0002" } })), "slack_refused"],
    ["whose answer goes elsewhere", (value) => press(payload(value, { response_url: "https://evil.example/x" })), "slack_refused"],
    [
      "whose answer goes to a name like Slack's",
      (value) => press(payload(value, { response_url: `${origin}.evil.example/x` })),
      "slack_refused",
    ],
    ["of another button", (value) => press(payload(value, { actions: [{ action_id: "other", value }] })), "body_invalid"],
    [
      "of two buttons",
      (value) => press(payload(value, { actions: [1, 2].map(() => ({ action_id: "remit_approve", value })) })),
      "body_invalid",
    ],
    ["of another kind", (value) => press(payload(value, { type: "view_submission" })), "body_invalid"],
    ["without a value", () => press(payload("{}")), "body_invalid"],
    ["with two payloads", (value) => press(`${payload(value)}&${payload(value)}`), "body_invalid"],
    ["that is no form", () => press("{"), "body_invalid"],
  ];
  for (const [what, sent, code] of FORGED) {
    it(`is refused ${what}`, async () => {
      const { value } = await waiting(7);
      expect((await sent(value)).code).to.equal(code);
      expect(changed).to.deep.equal([]);
      expect((await desk.desk.decide(OTHERS_INVOICE, 7)).proceed).to.equal(false);
    });
  }

  it("is none by a browser: nothing is there to be read, and no session helps", async () => {
    const { value } = await waiting(7);
    const ada = await desk.signIn();
    expect((await desk.ask("/slack/actions", { headers: ada.reads })).status).to.equal(200);
    const sent = await desk.ask("/slack/actions", { method: "POST", headers: ada.headers, body: payload(value) });
    expect(sent.code).to.equal("slack_refused");
  });

  it("has no button where the message doesn't show all of the action", async () => {
    const mine = (): SlackMessage[] => posted.filter((message) => JSON.stringify(message).includes("support-8"));
    await desk.desk.decide(`read invoice/${"x".repeat(190)} ${"customer".repeat(32)}`, 8);
    await until(() => mine().length > 0);
    const buttons = mine().flatMap(({ blocks }) => blocks.flatMap(({ elements = [] }) => elements));
    expect(buttons.map(({ action_id, url }) => [action_id, url !== undefined])).to.deep.equal([[undefined, true]]);
  });

  it("is taken from 10,000 others in five minutes, and then not at all: any might be another's again", () => {
    const file = join(desk.folder, "busy.secret");
    writeFileSync(file, SECRET);
    let wall_ms = 1_700_000_000_000;
    const requests = new SlackRequests(file, { wall: () => wall_ms });
    const take = (n: number): string | null => {
      const timestamp = String(Math.floor(wall_ms / 1000));
      try {
        requests.take({ timestamp, signature: signature(`n=${n}`, timestamp), body: Buffer.from(`n=${n}`) });
        return null;
      } catch (cause) {
        return cause instanceof ConsoleProblem ? cause.code : String(cause);
      }
    };
    for (let n = 0; n < 10_000; n++) expect(take(n)).to.equal(null);
    expect(take(10_000)).to.equal("slack_busy");
    wall_ms += 301_000;
    expect(take(10_001)).to.equal(null);
  });

  it("is nothing that a console without `slack` takes, nor a configuration with people that Slack doesn't have", async () => {
    const other = await ConsoleDesk.open();
    try {
      const body = payload("{}");
      const sent = await other.ask("/slack/actions", { method: "POST", headers: { "x-slack-signature": signature(body, now()) }, body });
      expect(sent.code).to.equal("method_not_allowed");
    } finally {
      await other.close();
    }
    const parse = (slack: object): unknown =>
      parseConsoleConfig(
        JSON.stringify({
          service: { url: "http://127.0.0.1:1" },
          issuer: { issuer: "i", audience: "a", kid: "k", key: "k" },
          local: { person: "p", scopes: [] },
          slack: { signing_secret: "s", team: TEAM, people: { [ADA]: "a" }, ...slack },
        }),
        "console.yaml",
      );
    for (const wrong of [
      { people: { ada: "a" } },
      { people: {} },
      { team: "evil" },
      { response_origin: "http://hooks.example" },
      { more: 1 },
    ])
      expect(() => parse(wrong), JSON.stringify(wrong)).to.throw();
  });
});
