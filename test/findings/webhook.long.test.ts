import { createHmac, randomBytes, timingSafeEqual } from "node:crypto";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect } from "chai";
import { poster } from "../../src/system/post.js";
import type { Finding } from "../../src/contract/index.js";
import { Findings, type FollowedIndex } from "../../src/findings/findings.js";
import { SecretRefused, readSecrets } from "../../src/findings/signature.js";
import { Webhook, type WebhookOptions } from "../../src/findings/webhook.js";
import { system } from "../../src/system/index.js";
import { Receiver, status, type Received } from "../audit/export/receiver.js";
import { flag, seen, sighted } from "./sightings.js";

const SECRET = `whsec_${Buffer.alloc(32, 7).toString("base64")}`;

interface Message {
  type: string;
  timestamp: string;
  data: Finding;
}

/** As a receiver checks it, from the scheme's own words and nothing of ours. @throws Error saying what is wrong */
function verified({ headers, text }: Received, secret: string, now_s = Date.now() / 1000): Message {
  const [id, timestamp, signatures] = ["webhook-id", "webhook-timestamp", "webhook-signature"].map((name) => headers[name]);
  if (typeof id !== "string" || typeof timestamp !== "string" || typeof signatures !== "string") throw new Error("a header is missing");
  if (!/^\d+$/.test(timestamp) || Math.abs(Number(timestamp) - now_s) > 300) throw new Error("its time is not now");
  const key = Buffer.from(secret.slice("whsec_".length), "base64");
  const wanted = createHmac("sha256", key).update(`${id}.${timestamp}.${text}`, "utf8").digest();
  const good = signatures.split(" ").some((one) => {
    const [version, encoded = ""] = one.split(",");
    const given = Buffer.from(encoded, "base64");
    return version === "v1" && given.length === wanted.length && timingSafeEqual(given, wanted);
  });
  if (!good) throw new Error("no signature is good");
  return JSON.parse(text) as Message;
}

/** A receiver on loopback, and findings that the test puts. */
class Post {
  readonly receiver = new Receiver();
  readonly folder = mkdtempSync(join(tmpdir(), "remit-webhook-"));
  readonly said: string[] = [];
  findings!: Findings;
  #running: { webhook: Webhook; close: () => void; ended: Promise<void> } | null = null;
  readonly #records: ReturnType<typeof seen>[] = [];
  #durable = 0;

  constructor(readonly more: Partial<WebhookOptions> = {}) {}

  static async open(secrets = SECRET, more: Partial<WebhookOptions> = {}): Promise<Post> {
    const post = new Post(more);
    await post.receiver.start();
    writeFileSync(post.secretFile, `${secrets}\n`);
    post.restart();
    return post;
  }

  get secretFile(): string {
    return join(this.folder, "secret");
  }

  get cursor(): string {
    return join(this.folder, "findings", "webhook.cursor");
  }

  /** Another process, on what the last one left. */
  restart(): void {
    // eslint-disable-next-line @typescript-eslint/no-this-alias -- a port reads it at each call
    const post = this;
    this.findings = new Findings({ revision: 0, finding: () => undefined }, { kept_max: 1000, wait_ms: 0 }, system.timers);
    const followed: FollowedIndex = {
      get durable() {
        return post.#durable;
      },
      hurry: () => undefined,
      follow: () => ({ goOn: () => undefined, stop: () => undefined }),
    };
    this.findings.start(followed, 0);
    for (const record of this.#records) this.findings.take(record);
    const sender = poster(new URL(this.receiver.url), 400, system.timers);
    const say = (what: string) => (detail?: string, more?: string) => void this.said.push([what, detail, more].filter(Boolean).join(" "));
    const options = { secret_file: this.secretFile, retry_ms: 20, retry_max_ms: 60, ...this.more };
    const webhook = new Webhook(options, this.findings, this.cursor, system, sender.post, {
      failing: say("failing"),
      delivering: say("delivering"),
      setAside: say("set aside"),
      cursorDamaged: say("damaged"),
      cursorUnwritable: say("unwritable"),
    });
    this.#running = { webhook, close: sender.close, ended: webhook.run() };
  }

  /** A flag of this agent. */
  put(agent: string, code = "unrelated_financials"): void {
    const one = sighted({ agent, reasons: [flag(code, "high")] });
    const known = this.#records.find(({ action }) => action?.agent === agent)?.record.answer.finding;
    const record = seen(one, known ?? `F-${one.decision_id}`, ++this.#durable);
    this.#records.push(record);
    this.findings.take(record);
    this.findings.judged();
  }

  async crash(): Promise<void> {
    const { webhook, close, ended } = this.#running ?? {};
    webhook?.stop();
    close?.();
    await ended;
    this.#running = null;
  }

  /** `opened a-1`, of each message that was taken. */
  get taken(): string[] {
    return (this.receiver.taken as unknown as Message[]).map(({ type, data }) => `${type.replace("finding.", "")} ${data.agent ?? ""}`);
  }

  async until(holds: () => boolean): Promise<void> {
    for (let i = 0; i < 1000 && !holds(); i++) await new Promise((resolve) => setTimeout(resolve, 10));
    if (!holds()) throw new Error(`it has not come: ${this.taken.join()}; ${this.said.join("; ")}`);
  }

  async close(): Promise<void> {
    await this.crash();
    await this.receiver.stop();
    rmSync(this.folder, { recursive: true, force: true });
  }
}

describe("the webhook of findings", () => {
  let post: Post;
  beforeEach(async () => {
    post = await Post.open();
    await post.until(() => existing(post.cursor) !== null);
  });
  afterEach(() => post.close());

  it("tells what is opened and changes, in order, signed so that a receiver of Standard Webhooks takes it", async () => {
    post.put("a-1");
    await post.until(() => post.taken.length === 1);
    post.put("a-1", "off_hours");
    post.put("a-2");
    await post.until(() => post.taken.length === 3);
    expect(post.taken).to.deep.equal(["opened a-1", "changed a-1", "opened a-2"]);
    const messages = post.receiver.received.map((received) => verified(received, SECRET));
    expect(messages.map(({ type }) => type)).to.deep.equal(["finding.opened", "finding.changed", "finding.opened"]);
    expect(messages[0]?.data).to.deep.include({ agent: "a-1", state: "open", severity: "high" });
    expect(Date.parse(messages[0]?.timestamp ?? "")).to.be.above(0);
    const ids = post.receiver.received.map(({ headers }) => headers["webhook-id"]);
    expect(new Set(ids).size).to.equal(3);
    expect(post.receiver.received[0]?.headers["content-type"]).to.equal("application/json");
  });

  it("is taken by no receiver that has another secret, or another body", async () => {
    post.put("a-1");
    await post.until(() => post.taken.length === 1);
    const [received] = post.receiver.received;
    if (received === undefined) throw new Error("nothing came");
    expect(() => verified(received, `whsec_${randomBytes(32).toString("base64")}`)).to.throw("no signature is good");
    expect(() => verified({ ...received, text: received.text.replace("a-1", "a-2") }, SECRET)).to.throw("no signature");
    expect(() => verified(received, SECRET, Date.now() / 1000 + 3600)).to.throw("its time");
  });

  it("signs with each secret there is, so that one can be changed without missing anything", async () => {
    const next = `whsec_${randomBytes(24).toString("base64")}`;
    writeFileSync(post.secretFile, `${next}\n\n${SECRET}\n`);
    post.put("a-1");
    await post.until(() => post.taken.length === 1);
    const [received] = post.receiver.received;
    if (received === undefined) throw new Error("nothing came");
    expect(verified(received, SECRET)).to.deep.equal(verified(received, next));
  });

  it("tells PagerDuty with its key, Slack without a signature, and nobody of what doesn't wait", async () => {
    const pagerduty = await Post.open("R0UTE", { format: "pagerduty" });
    await pagerduty.until(() => existing(pagerduty.cursor) !== null);
    pagerduty.put("a-1");
    await pagerduty.until(() => pagerduty.receiver.taken.length === 1);
    expect(pagerduty.receiver.taken[0]).to.include({ routing_key: "R0UTE", event_action: "trigger" });
    const slack = await Post.open("", { format: "slack" });
    await slack.until(() => existing(slack.cursor) !== null);
    slack.put("a-1");
    await slack.until(() => slack.receiver.taken.length === 1);
    expect(Object.keys(slack.receiver.received[0]?.headers ?? {}).filter((name) => name.startsWith("webhook-"))).to.deep.equal([]);
    const waiting = await Post.open(SECRET, { waiting_only: true });
    // Each begins with what is new from its start on.
    await waiting.until(() => existing(waiting.cursor) !== null);
    const before = readFileSync(waiting.cursor, "utf8");
    waiting.put("a-1");
    await waiting.until(() => readFileSync(waiting.cursor, "utf8") !== before);
    expect(waiting.receiver.received).to.deep.equal([]);
    for (const one of [pagerduty, slack, waiting]) await one.close();
  });

  it("tells a burst of one finding once", async () => {
    for (let i = 0; i < 400; i++) post.put("a-1");
    await post.until(() => post.taken.length >= 1);
    expect(post.taken.length).to.be.at.most(2);
  });

  const failures: [what: string, fail: (post: Post) => void, said: RegExp][] = [
    ["answers 500", (at) => (at.receiver.answer = status(500)), /failing status 500/],
    ["answers 404", (at) => (at.receiver.answer = status(404)), /failing status 404/],
    ["answers 410", (at) => (at.receiver.answer = status(410)), /failing status 410/],
    [
      "redirects",
      (at) => (at.receiver.answer = status(307, { location: at.receiver.url.replace("logs", "elsewhere") })),
      /failing status 307/,
    ],
    ["never answers", (at) => (at.receiver.answer = () => undefined), /no whole answer within 400 ms/],
    ["breaks off", (at) => (at.receiver.answer = (_received, response) => response.destroy()), /failing/],
    [
      "has a secret that is none",
      (at) => {
        writeFileSync(at.secretFile, "hunter2\n");
      },
      /failing line 1 is not `whsec_`/,
    ],
    [
      "has a secret file that is gone",
      (at) => {
        rmSync(at.secretFile);
      },
      /failing ENOENT/,
    ],
  ];
  for (const [what, fail, said] of failures) {
    it(`misses nothing while its server ${what}, and asks nobody else`, async () => {
      fail(post);
      post.put("a-1");
      await post.until(() => post.said.length > 0);
      expect(post.said[0]).to.match(said).and.not.include("hunter2");
      for (let i = 0; i < 50; i++) post.put(`b-${i % 5}`);
      post.put("a-1", "off_hours");
      expect(post.taken).to.deep.equal([]);
      writeFileSync(post.secretFile, SECRET);
      post.receiver.answer = status(204);
      await post.until(() => post.taken.length >= 6);
      // Whoever was away hears of each once, as it now is.
      expect(new Set(post.taken.map((told) => told.split(" ")[1]))).to.deep.equal(new Set(["a-1", "b-0", "b-1", "b-2", "b-3", "b-4"]));
      const last = post.receiver.received.map(({ text }) => (JSON.parse(text) as Message).data).findLast(({ agent }) => agent === "a-1");
      expect(last?.codes.map(({ code }) => code)).to.include("off_hours");
      expect(post.said.at(-1)).to.equal("delivering");
      expect(new Set(post.receiver.received.map(({ path }) => path))).to.deep.equal(new Set(["/logs"]));
    });
  }

  it("waits for as long as its server asks", async () => {
    post.receiver.answer = status(503, { "retry-after": "1" });
    post.put("a-1");
    await post.until(() => post.receiver.received.length === 1);
    post.receiver.answer = status(204);
    await post.until(() => post.taken.length === 1);
    const [first, second] = post.receiver.received.map(({ headers }) => Number(headers["webhook-timestamp"]));
    expect((second ?? 0) - (first ?? 0)).to.be.at.least(1);
    const ids = post.receiver.received.map(({ headers }) => headers["webhook-id"]);
    expect(ids[0]).to.equal(ids[1]);
  });

  it("sets aside what its server will never take, and goes on", async () => {
    post.receiver.answer = ({ text }, response) => {
      response.writeHead(text.includes('"agent":"a-1"') ? 422 : 204).end();
    };
    post.put("a-1");
    post.put("a-2");
    await post.until(() => post.taken.length === 1);
    expect(post.taken).to.deep.equal(["opened a-2"]);
    expect(post.said[0]).to.match(/^set aside F-\S+ status 422$/);
  });

  it("goes on after a restart where it was: at least once each, and told apart by their ids", async () => {
    post.put("a-1");
    await post.until(() => post.taken.length === 1);
    post.receiver.answer = status(503);
    post.put("a-2");
    await post.until(() => post.said.length > 0);
    await post.crash();
    post.put("a-3");
    post.receiver.answer = status(204);
    post.restart();
    await post.until(() => post.taken.length >= 3);
    expect(post.taken.slice(-2)).to.deep.equal(["opened a-2", "opened a-3"]);
    const ids = post.receiver.received.map(({ headers, text }) => [(JSON.parse(text) as Message).data.agent, headers["webhook-id"]]);
    expect(new Set(ids.filter(([agent]) => agent === "a-2").map(([, id]) => id)).size).to.equal(1);
  });

  it("tells nothing twice where it was stopped with nothing left to tell", async () => {
    post.put("a-1");
    await post.until(() => post.taken.length === 1);
    await post.until(() => existing(post.cursor)?.includes('"seq":1') === true);
    await post.crash();
    post.restart();
    post.put("a-2");
    await post.until(() => post.taken.length === 2);
    expect(post.taken).to.deep.equal(["opened a-1", "opened a-2"]);
  });

  const spoilt = [
    "",
    "{}",
    '{"v":1,"seq":-1,"revision":0}\n',
    '{"v":1,"seq":999,"revision":0}\n',
    "\u0000".repeat(64),
    '{"v":2,"seq":0,"revision":0}\n',
  ];
  for (const text of spoilt) {
    it(`tells every finding again where its cursor is ${JSON.stringify(text).slice(0, 40)}`, async () => {
      post.put("a-1");
      await post.until(() => post.taken.length === 1);
      await post.crash();
      writeFileSync(post.cursor, text);
      post.restart();
      await post.until(() => post.said.length > 0);
      expect(post.said[0]).to.match(/^damaged/);
      post.put("a-2");
      await post.until(() => post.taken.length === 3);
      expect(post.taken.slice(1)).to.deep.equal(["opened a-1", "opened a-2"]);
    });
  }
});

describe("a webhook's secrets", () => {
  const good = Buffer.alloc(24, 1).toString("base64");
  const refused = [
    "",
    "\n",
    "hunter2",
    good,
    `whsec_${Buffer.alloc(23).toString("base64")}`,
    `whsec_${Buffer.alloc(65).toString("base64")}`,
    `whsec_${good}=`,
    `whsec_${good.slice(1)}`,
    `WHSEC_${good}`,
    `whsec_${good} x`,
    `whsec_${good}\nsecond`,
  ];
  for (const text of refused) {
    it(`refuse ${JSON.stringify(text).slice(0, 30)}, and say none of it`, () => {
      expect(() => readSecrets(text))
        .to.throw(SecretRefused)
        .with.property("message")
        .that.does.not.include(good);
    });
  }

  it("are one a line", () => {
    expect(readSecrets(` whsec_${good} \r\n\nwhsec_${good}`)).to.have.lengthOf(2);
  });
});

function existing(file: string): string | null {
  try {
    return readFileSync(file, "utf8");
  } catch {
    return null;
  }
}
