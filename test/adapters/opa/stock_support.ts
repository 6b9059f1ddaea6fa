/** A stock OPA, of the version that compiles bundles, that takes its bundle from a service. */
import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import type { KeyObject } from "node:crypto";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { freePort } from "../../../demo/ports.js";
import { readArchive, writeArchive } from "../../../src/bundle/archive.js";
import { keyId, SIGNATURES_FILE, signFiles } from "../../../src/bundle/signature.js";
import type { BundleMetadata, PolicyData, PolicyResult } from "../../../src/contract/index.js";
import { asset } from "../../../src/system/paths.js";
import { KEY, publicPem } from "../../bundle/support.js";
import { ask, inAnHour, type Json } from "../../http/asking.js";
import { tokenFor, type Running } from "../../http/running.js";
import { nativeOpa } from "../../oracle/go.js";

export const NAME = "customer_support";
/** How long it may take to look again; it answers sooner. */
const SOON_MS = 20_000;

export const STOCK_REQUEST = {
  agent: "support-7",
  purpose: NAME,
  task: "T-1",
  verb: "read",
  resource: { type: "customer", id: "ada" },
};

/** Registers the agent and the task of `STOCK_REQUEST`. */
export async function introduce(service: Running): Promise<void> {
  const agent = { id: "support-7", owner: "tests@example.com", version: "3", purposes: [NAME] };
  const task = {
    ...{ id: "T-1", agent: "support-7", purpose: NAME, principal: "ada", expires: inAnHour() },
    subjects: { ticket: ["TCK-81"], customer: ["ada"] },
    attributes: { topic: "billing" },
  };
  for (const [path, body] of [
    ["/agents", agent],
    ["/tasks", task],
  ] as const) {
    const { outcome } = await ask(service, "POST", path, { body });
    if (outcome !== "201") throw new Error(`POST ${path}: ${outcome}`);
  }
}

/**
 * The shipped bundle as of another sequence, signed by a key of the test.
 * @param edit changes its data
 */
export async function stockBundle(sequence: number, edit: (data: PolicyData) => void = () => undefined): Promise<Buffer> {
  const files = new Map(await readArchive(readFileSync(asset("bundles", `${NAME}.tar.gz`))));
  const manifest = JSON.parse(String(files.get(".manifest"))) as { revision: string; metadata: BundleMetadata };
  manifest.metadata.sequence = sequence;
  manifest.revision = `test-${sequence}`;
  files.set(".manifest", Buffer.from(JSON.stringify(manifest)));
  const data = JSON.parse(String(files.get("data.json"))) as PolicyData;
  edit(data);
  files.set("data.json", Buffer.from(JSON.stringify(data)));
  files.delete(SIGNATURES_FILE);
  files.set(SIGNATURES_FILE, signFiles(files, KEY));
  return await writeArchive(files, 0);
}

/** Keys that an OPA knows, and the one that it verifies by; left out: the one that a signature names. */
export interface StockTrust {
  keys: readonly KeyObject[];
  by?: KeyObject;
}

export const BUNDLE_TAKER = tokenFor("remit:bundle remit:observe", "opa-1");

export class Stock {
  readonly #process: ChildProcess;
  readonly #url: string;
  readonly #folder: string;

  private constructor(process: ChildProcess, url: string, folder: string) {
    this.#process = process;
    this.#url = url;
    this.#folder = folder;
  }

  static async start(service: Running, { keys, by }: StockTrust = { keys: [KEY], by: KEY }, token = BUNDLE_TAKER): Promise<Stock> {
    const folder = mkdtempSync(join(tmpdir(), "remit-opa-"));
    const port = await freePort();
    const config = {
      services: { remit: { url: service.url, credentials: { bearer: { token } } } },
      keys: Object.fromEntries(keys.map((key) => [keyId(key), { algorithm: "ES256", key: publicPem(key) }])),
      decision_logs: { service: "remit", reporting: { min_delay_seconds: 1, max_delay_seconds: 1 } },
      status: { service: "remit" },
      bundles: {
        [NAME]: {
          service: "remit",
          signing: by === undefined ? {} : { keyid: keyId(by) },
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

  /** Why it doesn't take the bundle; undefined: it does, or hasn't looked yet. */
  async bundleRefusal(): Promise<string | undefined> {
    const { body } = await this.get("/v1/status");
    return (body as { result?: { bundles?: Record<string, { message?: string }> } }).result?.bundles?.[NAME]?.message;
  }

  async stop(): Promise<void> {
    const exited = once(this.#process, "exit");
    this.#process.kill();
    await exited;
    rmSync(this.#folder, { recursive: true, force: true });
  }
}
