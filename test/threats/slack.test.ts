/** Presses of a button in Slack: whose they are, how old, and what they approve. */
import { createHmac } from "node:crypto";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { PassThrough } from "node:stream";
import type { Finding } from "../../src/contract/index.js";
import type { News } from "../../src/findings/findings.js";
import type { SlackDeps } from "../../src/console/slack.js";
import { system } from "../../src/system/index.js";
import { logger } from "../../src/system/logger.js";
import { folderWith } from "../guards/mcp/support.js";
import { cut } from "./cut.js";
import { codeOf, threat } from "./threat.js";

const SECRET = "the-signing-secret";
const NOW_MS = 1_700_000_000_000;
const NOW = String(NOW_MS / 1000);
const BUTTON = { finding: "F-1", decision: "d-1", approval: "sha256:shown" };

const bodyOf = (changes: object = {}): Buffer => {
  const press = {
    ...{ type: "block_actions", team: { id: "T1" }, user: { id: "U1" }, response_url: "http://127.0.0.1:9/x" },
    actions: [{ action_id: "remit_approve", value: JSON.stringify(BUTTON) }],
    ...changes,
  };
  return Buffer.from(new URLSearchParams({ payload: JSON.stringify(press) }).toString());
};
const signed = (body: Buffer, timestamp = NOW, secret = SECRET) => ({
  ...{ body, timestamp },
  signature: `v0=${createHmac("sha256", secret).update(`v0:${timestamp}:`).update(body).digest("hex")}`,
});

threat("B19", "only a press that Slack has just sent approves, and only what was shown", {
  async check(tree) {
    const { SlackApprovals } = await tree("console/slack.js");
    const files = folderWith({});
    const secret = join(files.dir, "secret");
    writeFileSync(secret, SECRET);
    const posts: string[] = [];
    const persons: string[] = [];
    const approved = (): number => posts.length;
    // The service's side: a finding with one action that waits, and a list of what was approved.
    const upstream = {
      ask: ({ method, body }: { method: string; body?: Buffer }) => {
        if (method === "POST") posts.push(String(body));
        const finding = { waiting: [{ decision_id: "d-1", approval_digest: "sha256:shown" }] };
        return Promise.resolve({ status: 200, type: "application/json", etag: null, body: Buffer.from(JSON.stringify(finding)) });
      },
    };
    const tokens = { forRequest: (person: string) => (persons.push(person), "t") };
    const clock = { wall: () => NOW_MS, monotonic: () => 0 };
    const deps = {
      tokens,
      upstream,
      system: { clock, timers: system.timers },
      logger: logger(clock, new PassThrough()),
    } as unknown as SlackDeps;
    const config = { signing_secret: secret, team: "T1", people: { U1: "ada" }, response_origin: "http://127.0.0.1:9" };
    const approvals = new SlackApprovals(config, deps);
    const taken = (request: { body: Buffer; timestamp: string; signature: string }): Promise<string> =>
      codeOf(async () => {
        await approvals.take(request)();
      });
    try {
      const forged: [what: string, request: ReturnType<typeof signed>][] = [
        ["signed by somebody else", signed(bodyOf(), NOW, "other")],
        ["signed for another body", { ...signed(Buffer.from("payload={}")), body: bodyOf() }],
        ["that is old", signed(bodyOf(), String(Number(NOW) - 301))],
        ["in another workspace", signed(bodyOf({ team: { id: "T2" } }))],
        ["whose answer goes elsewhere", signed(bodyOf({ response_url: "http://127.0.0.1:8/x" }))],
      ];
      for (const [what, request] of forged) if ((await taken(request)) === "accepted") return `a press ${what} was taken`;
      const other = JSON.stringify({ ...BUTTON, approval: "sha256:other" });
      await taken(signed(bodyOf({ actions: [{ action_id: "remit_approve", value: other }] })));
      if (approved() > 0) return "what wasn't shown was approved";
      await taken(signed(bodyOf({ user: { id: "U2" } })));
      if (persons.length > 1) return "somebody whom nobody knows approved";
      const good = signed(bodyOf());
      if ((await taken(good)) !== "accepted" || approved() !== 1) return "a press of Slack's was refused";
      if ((await taken(good)) === "accepted" || approved() !== 1) return "a press was taken twice";
      const { messageOf } = await tree("findings/messages.js");
      const cutShort = {
        decision_id: "d",
        approval_digest: "a",
        until: "",
        principals: [],
        more: 0,
        fields: [{ field: "/a", value: '"…' }],
      };
      const empty = { codes: [], reasons: [], tasks: [], actions: {}, state: "open", verdict: null, about: "code", code: "c", id: "F-1" };
      const message = messageOf(
        "slack",
        { change: "opened", finding: { ...empty, waiting: [cutShort] } as unknown as Finding } as News,
        null,
        true,
      );
      return JSON.stringify(message).includes("remit_approve") ? "what isn't shown whole has a button" : null;
    } finally {
      files.remove();
    }
  },
  without: {
    "the signature": [cut.never("console/slack_requests.js", "take", "timingSafeEqual")],
    "the look at its age": [cut.never("console/slack_requests.js", "take", "WINDOW_S", "abs")],
    "the memory of presses": [cut.never("console/slack_requests.js", "take", "has")],
    "the workspace": [cut.never("console/slack.js", "take", "team")],
    "the look at where its answer goes": [cut.never("console/slack.js", "take", "response_origin")],
    "the digest of what was shown": [cut.always("console/slack.js", "#approve", "approval_digest", "approval")],
    "the list of people": [cut.value("console/slack.js", "take", "person", '"ada"')],
    "the look at whether all is shown": [cut.returns("findings/messages.js", "isWhole", "true")],
  },
});
