/**
 * Bundles that come while a service decides at 64 connections: swapped one after the other, and forged. The numbers are those of a run by hand
 * with `REMIT_SWAPS=1000`; nothing here depends on how fast the machine is.
 */
import { readFileSync, writeFileSync } from "node:fs";
import { Agent, request } from "node:http";
import { join } from "node:path";
import { expect } from "chai";
import { readUnverified } from "../../src/bundle/verify.js";
import type { Entries, PolicyData } from "../../src/contract/index.js";
import { asset } from "../../src/system/paths.js";
import { temporaryDirectory } from "../audit/temporary.js";
import { BAD } from "../bundle/bad.js";
import { KEY, NAME, archive, catalogue, content, json, policyData, publicPem, purpose, signed } from "../bundle/support.js";
import { AGENT, REQUEST } from "../http/running.js";
import { Child, placeIn, type Place } from "./child.js";

const SWAPS = Number(process.env["REMIT_SWAPS"] ?? 60);
const CONNECTIONS = 64;
const PUBLISHED = "application/gzip";

/** A policy that permits the request in bundles of even sequence, and never permits it in the others; two modules in turn. */
function dataOf(sequence: number): PolicyData {
  const effect = sequence % 2 === 0 ? "allow" : "deny";
  const reason = { effect, code: effect === "allow" ? "permitted" : "forbidden", severity: "info", params: {} } as const;
  const entries: Entries = { note: { read: [{ about: "any", when: [], reason, obligations: [] }] } };
  const one = { ...purpose(), allow: {}, ...(effect === "allow" ? { allow: entries } : { never: entries }) };
  return { ...policyData(), purposes: { testing: one } };
}

async function bundleMaker(): Promise<(sequence: number) => Promise<Buffer>> {
  const modules = await Promise.all(
    ["retail", "customer_support"].map(async (name) => (await readUnverified(readFileSync(asset("bundles", `${name}.tar.gz`)))).wasm),
  );
  const entries = catalogue();
  const texts = { ...entries, forbidden: { ...entries["permitted"], effect: "deny", title: "forbidden" } };
  return (sequence) => {
    const files = content({ sequence, expires: null }, dataOf(sequence));
    files.set("policy.wasm", modules[sequence % 2] ?? Buffer.of()).set("catalogue.json", json(texts));
    return archive(signed(files));
  };
}

interface Load {
  answers: number;
  failed: string[];
  mixed: string[];
  sequences: Set<number>;
  /** Milliseconds of each decision. */
  took: number[];
}

/** Decides on every connection until the returned function is called. */
function deciding(place: Place, url: URL): () => Promise<Load> {
  const agent = new Agent({ keepAlive: true, maxSockets: CONNECTIONS });
  const load: Load = { answers: 0, failed: [], mixed: [], sequences: new Set(), took: [] };
  const text = JSON.stringify(REQUEST);
  let isOver = false;
  const headers = { authorization: `Bearer ${place.token}`, "content-type": "application/json", "content-length": Buffer.byteLength(text) };
  const once = (): Promise<void> =>
    new Promise((resolve) => {
      const began = performance.now();
      const failed = (why: string): void => {
        load.failed.push(why);
        resolve();
      };
      const asked = request(new URL("/decide", url), { agent, method: "POST", headers }, (response) => {
        let body = "";
        response.setEncoding("utf8").on("data", (chunk: string) => (body += chunk));
        response.on("error", (cause) => {
          failed(cause.message);
        });
        response.on("end", () => {
          load.took.push(performance.now() - began);
          if (response.statusCode !== 200) {
            failed(`${response.statusCode} ${body}`);
            return;
          }
          const { decision, policy, reasons } = JSON.parse(body) as {
            decision: string;
            policy: { sequence: number };
            reasons: { code: string }[];
          };
          load.answers++;
          load.sequences.add(policy.sequence);
          const wanted = policy.sequence % 2 === 0 ? "allow permitted" : "deny forbidden";
          if (`${decision} ${reasons.map(({ code }) => code).join(" ")}` !== wanted) load.mixed.push(`${policy.sequence}: ${decision}`);
          resolve();
        });
      });
      asked.on("error", (cause) => {
        failed(cause.message);
      });
      asked.end(text);
    });
  const lanes = Array.from({ length: CONNECTIONS }, async () => {
    while (!isOver) await once();
  });
  return async () => {
    isOver = true;
    await Promise.all(lanes);
    agent.destroy();
    return load;
  };
}

/** Median, p99 and largest, in milliseconds. */
function spread(numbers: number[]): string {
  const sorted = numbers.toSorted((a, b) => a - b);
  const at = (share: number): string => (sorted[Math.min(Math.floor(sorted.length * share), sorted.length - 1)] ?? 0).toFixed(1);
  return `${at(0.5)} / ${at(0.99)} / ${at(1)} ms`;
}

describe("bundles that come while a service decides at 64 connections", function () {
  this.timeout(3_000_000);
  let place: Place;
  let child: Child;
  let make: (sequence: number) => Promise<Buffer>;
  let url: URL;

  before(async () => {
    const folder = temporaryDirectory();
    writeFileSync(join(folder, "bundle.pem"), publicPem(KEY));
    make = await bundleMaker();
    writeFileSync(join(folder, "bundle.tar.gz"), await make(0));
    const bundle = {
      name: NAME,
      path: join(folder, "bundle.tar.gz"),
      keys: [join(folder, "bundle.pem")],
      state_dir: join(folder, "state"),
    };
    place = placeIn(folder, { bundle });
    child = new Child(place);
    await child.ready();
    expect((await child.told("POST", "/agents", { id: REQUEST.agent, ...AGENT })).status).to.be.within(200, 201);
    url = new URL(/"url":"([^"]+)"/.exec(child.said)?.[1] ?? "");
  });
  after(() => child.stop());

  async function publish(bytes: Buffer): Promise<{ status: number; code: string; ms: number }> {
    const began = performance.now();
    const headers = { authorization: `Bearer ${place.token}`, "content-type": PUBLISHED };
    const response = await fetch(new URL("/bundles", url), { method: "POST", headers, body: new Uint8Array(bytes) });
    const { reason = "" } = (await response.json()) as { reason?: string };
    return { status: response.status, code: reason, ms: performance.now() - began };
  }

  it(`none fails and none is mixed over ${SWAPS} swaps of opposite verdicts`, async () => {
    const stop = deciding(place, url);
    const took: number[] = [];
    for (let sequence = 1; sequence <= SWAPS; sequence++) {
      const bytes = await make(sequence);
      const { status, ms } = await publish(bytes);
      expect(status).to.equal(200);
      took.push(ms);
    }
    const load = await stop();
    expect(load.failed).to.deep.equal([]);
    expect(load.mixed).to.deep.equal([]);
    expect(load.answers).to.be.above(SWAPS);
    expect(load.sequences.size).to.be.above(SWAPS / 2);
    console.log(`      ${load.answers} decisions; a swap took ${spread(took)} (median, p99, most), a decision ${spread(load.took)}`);
  });

  it(`${BAD.length} forged bundles are refused, each with its own code, and no decision fails`, async () => {
    const forged = await Promise.all(BAD.map(async ([what, code, of]) => ({ what, code, bytes: await of() })));
    const before = (await child.told("GET", "/bundles")).body["running"];
    const stop = deciding(place, url);
    const took: number[] = [];
    const wrong: string[] = [];
    for (const { what, code, bytes } of forged) {
      const refused = await publish(bytes);
      took.push(refused.ms);
      // The service refuses an empty body as no bundle, and one over its limit before it reads it as one.
      if (refused.status === 422 ? refused.code !== code : code !== "archive_empty" && code !== "archive_too_large")
        wrong.push(`${what}: ${refused.status} ${refused.code}, not ${code}`);
    }
    const load = await stop();
    expect(wrong).to.deep.equal([]);
    expect(forged.length).to.be.above(60);
    expect(load.failed).to.deep.equal([]);
    expect(load.mixed).to.deep.equal([]);
    expect(load.sequences.size).to.equal(1);
    expect((await child.told("GET", "/bundles")).body["running"]).to.deep.equal(before);
    console.log(`      ${load.answers} decisions; a refusal took ${spread(took)} (median, p99, most), a decision ${spread(load.took)}`);
  });
});
