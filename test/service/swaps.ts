/** Bundles of opposite verdicts, and connections that decide without pause while they are published. */
import { readFileSync } from "node:fs";
import { Client, requestOf, type Target } from "../../bench/client.js";
import { readUnverified, type BundleContent } from "../../src/bundle/verify.js";
import type { Catalogue, Entries, PolicyData } from "../../src/contract/index.js";
import { sleep } from "../../src/system/index.js";
import { asset } from "../../src/system/paths.js";
import { archive, catalogue, content, json, policyData, purpose, signed } from "../bundle/support.js";
import { REQUEST } from "../http/running.js";

/** A policy that permits the request in bundles of even sequence, and never permits it in the others. */
function dataOf(sequence: number): PolicyData {
  const effect = sequence % 2 === 0 ? "allow" : "deny";
  const reason = { effect, code: effect === "allow" ? "permitted" : "forbidden", severity: "info", params: {} } as const;
  const entries: Entries = { note: { read: [{ about: "any", when: [], reason, obligations: [] }] } };
  const one = { ...purpose(), allow: {}, ...(effect === "allow" ? { allow: entries } : { never: entries }) };
  return { ...policyData(), purposes: { testing: one } };
}

/** A section that no runtime reads (WebAssembly 1.0, section 5.5.3), with a text in it. */
function customSection(text: string): Buffer {
  return Buffer.concat([Buffer.of(0, text.length + 1, text.length), Buffer.from(text)]);
}

/** Makes bundles whose sequence tells their verdict. */
export class VerdictBundles {
  /** Of those made so far, by their sequence. */
  readonly digests = new Map<number, string>();
  readonly #modules: readonly Buffer[];
  readonly #own: boolean;
  readonly #texts: Catalogue;

  private constructor(modules: readonly Buffer[], own: boolean) {
    this.#modules = modules;
    this.#own = own;
    const entries = catalogue();
    this.#texts = { ...entries, forbidden: { ...entries["permitted"], effect: "deny", title: "forbidden" } } as Catalogue;
  }

  /** @param own whether each has a module that is like no other; else two take turns */
  static async open(own = false): Promise<VerdictBundles> {
    const modules = ["retail", "customer_support"].map(async (name) => {
      return Buffer.from((await readUnverified(readFileSync(asset("bundles", `${name}.tar.gz`)))).wasm);
    });
    return new VerdictBundles(await Promise.all(modules), own);
  }

  async make(sequence: number): Promise<Buffer> {
    return (await this.makeWhole(sequence)).bytes;
  }

  /** Returns its content too, without the rest of its archive: a thousand of them may be kept at once. */
  async makeWhole(sequence: number): Promise<{ bytes: Buffer; content: BundleContent }> {
    const module = this.#modules[sequence % 2] ?? Buffer.of();
    const wasm = this.#own ? Buffer.concat([module, customSection(String(sequence))]) : module;
    const files = content({ sequence, expires: null }, dataOf(sequence));
    const bytes = await archive(signed(files.set("policy.wasm", wasm).set("catalogue.json", json(this.#texts))));
    const read = await readUnverified(bytes);
    this.digests.set(sequence, read.identity.digest);
    return { bytes, content: { ...read, wasm, dataText: Buffer.from(read.dataText), files: new Map() } };
  }
}

export interface SwapLoad {
  answers: number;
  failed: string[];
  /** Answers whose verdict isn't that of the bundle they name, or that name one that was never published. */
  mixed: string[];
  sequences: Set<number>;
  /** Milliseconds of each decision. */
  took: number[];
  /** Longest time in which no connection had an answer, milliseconds. */
  silence_ms: number;
}

/**
 * Decides on every connection until the returned function is called.
 * @param digests of the bundles, by their sequence
 * @param pause_ms least time between two requests of one connection
 */
export function deciding(target: Target, connections: number, digests: ReadonlyMap<number, string>, pause_ms = 0): () => Promise<SwapLoad> {
  const load: SwapLoad = { answers: 0, failed: [], mixed: [], sequences: new Set(), took: [], silence_ms: 0 };
  const asked = requestOf({ ...target, path: "/decide" }, JSON.stringify(REQUEST));
  let isOver = false;
  let last = performance.now();
  const lanes = Array.from({ length: connections }, async (_, nth) => {
    const client = await Client.open(target);
    await sleep((pause_ms * nth) / connections);
    while (!isOver) {
      const { status, body, ms } = await client.ask(asked);
      const now = performance.now();
      load.silence_ms = Math.max(load.silence_ms, now - last);
      last = now;
      load.took.push(ms);
      if (status === 200) heed(body);
      else load.failed.push(`${status} ${body}`);
      if (status === 0) return;
      if (pause_ms > ms) await sleep(pause_ms - ms);
    }
    client.close();
  });

  function heed(body: string): void {
    const { decision, policy, reasons } = JSON.parse(body) as {
      decision: string;
      policy: { sequence: number; digest: string };
      reasons: { code: string }[];
    };
    load.answers++;
    load.sequences.add(policy.sequence);
    const wanted = policy.sequence % 2 === 0 ? "allow permitted" : "deny forbidden";
    const found = `${decision} ${reasons.map(({ code }) => code).join(" ")}`;
    if (found !== wanted || policy.digest !== digests.get(policy.sequence))
      load.mixed.push(`${policy.sequence} ${policy.digest}: ${found}`);
  }

  return async () => {
    isOver = true;
    await Promise.all(lanes);
    return load;
  };
}

export interface Published {
  status: number;
  /** Of a bundle that was refused. */
  code: string;
  ms: number;
}

const TRIES = 5;

/**
 * Publishes a bundle, on a connection of its own: one that is refused may end it. A body of which the service doesn't read all may cost its answer as
 * well, when what is still being sent meets a closed connection; then it is sent again.
 */
export async function publish(target: Target, bytes: Buffer): Promise<Published> {
  const headers = { ...target.headers, "content-type": "application/gzip" };
  for (let tries = 1; ; tries++) {
    const client = await Client.open(target);
    const { status, body, ms } = await client.ask(requestOf({ ...target, headers, path: "/bundles" }, bytes));
    client.close();
    if (body === "" && tries < TRIES) continue;
    const { reason = "" } = JSON.parse(body) as { reason?: string };
    return { status, code: reason, ms };
  }
}
