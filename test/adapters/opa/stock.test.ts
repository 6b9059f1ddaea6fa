/** A stock OPA, of the version that compiles bundles, takes the running bundle from a service, verifies it, and decides by it as we do. */
import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer, type AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect } from "chai";
import { readArchive, writeArchive } from "../../../src/bundle/archive.js";
import { keyId, SIGNATURES_FILE, signFiles } from "../../../src/bundle/signature.js";
import type { Answer, BundleMetadata, DecisionRecord, PolicyResult } from "../../../src/contract/index.js";
import { asset } from "../../../src/system/paths.js";
import { COMPILER_BUILD_MS_MAX, nativeCompiler, sorted } from "../../build/support.js";
import { KEY, STRANGER, publicPem } from "../../bundle/support.js";
import { nativeOpa } from "../../oracle/go.js";
import { EVERY, ask, inAnHour, type Json } from "../../http/asking.js";
import { run, tokenFor, type Running } from "../../http/running.js";

const NAME = "customer_support";
/** How long it may take to look again; it answers sooner. */
const SOON_MS = 20_000;

/** The shipped bundle as of another sequence, signed by a key of the test. */
async function bundle(sequence: number): Promise<Buffer> {
  const files = new Map(await readArchive(readFileSync(asset("bundles", `${NAME}.tar.gz`))));
  const manifest = JSON.parse(String(files.get(".manifest"))) as { revision: string; metadata: BundleMetadata };
  manifest.metadata.sequence = sequence;
  manifest.revision = `test-${sequence}`;
  files.set(".manifest", Buffer.from(JSON.stringify(manifest)));
  files.delete(SIGNATURES_FILE);
  files.set(SIGNATURES_FILE, signFiles(files, KEY));
  return await writeArchive(files, 0);
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, "close");
  return port;
}

class Stock {
  readonly #process: ChildProcess;
  readonly #url: string;
  readonly #folder: string;

  private constructor(process: ChildProcess, url: string, folder: string) {
    this.#process = process;
    this.#url = url;
    this.#folder = folder;
  }

  static async start(service: Running, key = KEY, token = tokenFor("remit:bundle remit:observe", "opa-1")): Promise<Stock> {
    const folder = mkdtempSync(join(tmpdir(), "remit-opa-"));
    const port = await freePort();
    const keyid = keyId(KEY);
    const config = {
      services: { remit: { url: service.url, credentials: { bearer: { token } } } },
      keys: { [keyid]: { algorithm: "ES256", key: publicPem(key) } },
      decision_logs: { service: "remit", reporting: { min_delay_seconds: 1, max_delay_seconds: 1 } },
      status: { service: "remit" },
      bundles: {
        [NAME]: {
          service: "remit",
          signing: { keyid },
          polling: { min_delay_seconds: 1, max_delay_seconds: 1, long_polling_timeout_seconds: 60 },
        },
      },
    };
    writeFileSync(join(folder, "opa.json"), JSON.stringify(config));
    const args = [
      "run",
      "--server",
      "--addr",
      `127.0.0.1:${port}`,
      "--config-file",
      "opa.json",
      "--log-level",
      "error",
      "--skip-version-check",
    ];
    const child = spawn((await nativeOpa()).path, args, { cwd: folder, stdio: "ignore" });
    const stock = new Stock(child, `http://127.0.0.1:${port}`, folder);
    await stock.until(() => stock.get("/health").then(({ status }) => status === 200));
    return stock;
  }

  async until(isSo: () => Promise<boolean>): Promise<void> {
    const deadline = performance.now() + SOON_MS;
    while (!(await isSo().catch(() => false))) {
      if (performance.now() > deadline) throw new Error("it took too long");
      await new Promise((resolve) => setTimeout(resolve, 25));
    }
  }

  async get(path: string): Promise<{ status: number; body: Json }> {
    const response = await fetch(this.#url + path);
    return { status: response.status, body: (await response.json()) as Json };
  }

  async decide(input: object): Promise<PolicyResult | undefined> {
    const response = await fetch(`${this.#url}/v1/data/remit/decide`, {
      method: "POST",
      body: JSON.stringify({ input }),
    });
    return ((await response.json()) as { result?: PolicyResult }).result;
  }

  async revision(): Promise<unknown> {
    const { body } = await this.get("/v1/data/remit/nothing?provenance");
    return (body as { provenance?: { bundles?: Record<string, { revision: string }> } }).provenance?.bundles?.[NAME]?.revision;
  }

  async stop(): Promise<void> {
    const exited = once(this.#process, "exit");
    this.#process.kill();
    await exited;
    rmSync(this.#folder, { recursive: true, force: true });
  }
}

const REQUEST = {
  agent: "support-7",
  purpose: NAME,
  task: "T-1",
  verb: "read",
  resource: { type: "customer", id: "ada" },
};

const ACTIONS: readonly [what: string, changes: Json, decision: string][] = [
  ["its ticket's customer", {}, "allow"],
  ["her invoice", { resource: { type: "invoice", id: "I-1", attributes: { customer: "ada", amount_cents: 4900 } } }, "allow"],
  [
    "her payment, with an obligation",
    { resource: { type: "payment", id: "P-1", attributes: { customer: "ada", amount_cents: 4900 } } },
    "allow",
  ],
  ["another's invoice", { resource: { type: "invoice", id: "I-9", attributes: { customer: "bob" } } }, "flag"],
  ["what it may never do", { verb: "update", arguments: {} }, "deny"],
  ["what nothing permits", { resource: { type: "payment", id: "P-2", attributes: { customer: "bob" } } }, "flag"],
];

describe("a stock OPA", function () {
  this.timeout(COMPILER_BUILD_MS_MAX);
  let service: Running;

  before(async function () {
    await nativeCompiler(this);
    const keys = { name: NAME, path: "bundle.tar.gz", keys: ["bundle.pem"], state_dir: "state", poll_ms: 50 };
    service = await run({ bundle: keys, facts: { store: "store" } }, await bundle(1));
    const agent = { id: "support-7", owner: "tests@example.com", version: "3", purposes: [NAME] };
    const subjects = { ticket: ["TCK-81"], customer: ["ada"] };
    const task = {
      id: "T-1",
      agent: "support-7",
      purpose: NAME,
      principal: "ada",
      subjects,
      attributes: { topic: "billing" },
      expires: inAnHour(),
    };
    expect((await ask(service, "POST", "/agents", { body: agent })).outcome).to.equal("201");
    expect((await ask(service, "POST", "/tasks", { body: task })).outcome).to.equal("201");
  });
  after(() => service.stop());

  describe("with the public key and a token for bundles", () => {
    let stock: Stock;
    before(async () => {
      stock = await Stock.start(service);
      await stock.until(async () => (await stock.get("/health?bundles")).status === 200);
    });
    after(() => stock.stop());

    for (const [what, changes, decision] of ACTIONS) {
      it(`decides as we do: ${what}`, async () => {
        const { body } = await ask(service, "POST", "/v1/data/remit/decide", {
          body: { input: { ...REQUEST, ...changes } },
        });
        const ours = body["result"] as Answer;
        // Outside of the desk's hours nothing is allowed without a second look.
        const isOut = ours.reasons.some(({ code }) => code === "off_hours");
        expect(ours.decision).to.equal(isOut && decision === "allow" ? "flag" : decision);
        const found = await ask(service, "GET", `/decisions/${ours.decision_id}`);
        const { input } = found.body["record"] as DecisionRecord;
        if (input === undefined) throw new Error("the policy wasn't asked");
        const theirs = await stock.decide(input);
        const { proceed, obligations, reasons } = ours;
        const said = reasons.map(({ effect, code, severity, params }) => ({ effect, code, severity, params }));
        expect(theirs).to.include({ decision: ours.decision, proceed });
        expect(sorted(theirs?.obligations)).to.deep.equal(sorted(obligations));
        expect(sorted(theirs?.reasons.map(({ effect, code, severity, params }) => ({ effect, code, severity, params })))).to.deep.equal(
          sorted(said),
        );
      });
    }

    it("has an answer with an obligation, which a boolean of ours doesn't permit", async () => {
      const [, changes] = ACTIONS[2] ?? [];
      const { body } = await ask(service, "POST", "/v1/data/remit", { body: { input: { ...REQUEST, ...changes } } });
      expect(body).to.have.nested.property("result.decide.proceed", true);
      expect(body).to.have.nested.property("result.decide.obligations.length", 1);
      expect(body).to.have.nested.property("result.allow", false);
    });

    it("reports what it permitted, which is observed here", async () => {
      const observed = async (): Promise<number> => {
        const { text } = await ask(service, "GET", "/metrics");
        return [...text.matchAll(/^remit_observed_total\{.*\} (\d+)$/gm)].reduce((sum, [, count]) => sum + Number(count), 0);
      };
      await stock.until(async () => (await observed()) > 0);
      expect(service.said()).to.not.include("decision_log_rejected");
    });

    it("takes the next bundle as soon as it is active, and none that is refused", async () => {
      expect(await stock.revision()).to.equal("test-1");
      const publish = async (sequence: number): Promise<number> => {
        const headers = { authorization: `Bearer ${EVERY}`, "content-type": "application/gzip" };
        const body = new Uint8Array(await bundle(sequence));
        return (await fetch(`${service.url}/bundles`, { method: "POST", headers, body })).status;
      };
      expect(await publish(2)).to.equal(200);
      await stock.until(async () => (await stock.revision()) === "test-2");
      expect(await publish(1)).to.equal(422);
      expect(await stock.revision()).to.equal("test-2");
    });
  });

  const strangers: [what: string, start: () => Promise<Stock>][] = [
    ["verifies by another key", () => Stock.start(service, STRANGER)],
    ["has a token for decisions alone", () => Stock.start(service, KEY, tokenFor("remit:decide", "opa-1"))],
    ["has another audience's token", () => Stock.start(service, KEY, tokenFor("remit:bundle", "opa-1", 3600, {}, { audience: "other" }))],
  ];
  for (const [what, start] of strangers) {
    it(`that ${what} has no bundle, and so permits nothing`, async () => {
      const stock = await start();
      try {
        // Its first look comes right after its start.
        await new Promise((resolve) => setTimeout(resolve, 500));
        const { status, body } = await stock.get("/health?bundles");
        expect(status).to.equal(500);
        expect(body["error"]).to.equal(`one or more bundles are not activated: ${NAME}`);
        expect(await stock.decide({})).to.equal(undefined);
      } finally {
        await stock.stop();
      }
    });
  }
});
