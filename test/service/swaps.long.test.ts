/**
 * Bundles that come while a service decides at 64 connections: swapped one after the other, and forged. The numbers are those of a run by hand
 * with `REMIT_SWAPS=1000`, or of `bench/swaps.ts`; nothing here depends on how fast the machine is.
 */
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect } from "chai";
import type { Target } from "../../bench/client.js";
import { temporaryDirectory } from "../audit/temporary.js";
import { BAD } from "../bundle/bad.js";
import { KEY, NAME, publicPem } from "../bundle/support.js";
import { AGENT, REQUEST } from "../http/running.js";
import { Child, placeIn } from "./child.js";
import { VerdictBundles, deciding, publish } from "./swaps.js";

const SWAPS = Number(process.env["REMIT_SWAPS"] ?? 60);
const CONNECTIONS = 64;

/** Median, p99 and largest, in milliseconds. */
function spread(numbers: number[]): string {
  const sorted = numbers.toSorted((a, b) => a - b);
  const at = (share: number): string => (sorted[Math.min(Math.floor(sorted.length * share), sorted.length - 1)] ?? 0).toFixed(1);
  return `${at(0.5)} / ${at(0.99)} / ${at(1)} ms`;
}

describe("bundles that come while a service decides at 64 connections", function () {
  this.timeout(3_000_000);
  let child: Child;
  let bundles: VerdictBundles;
  let target: Target;

  before(async () => {
    const folder = temporaryDirectory();
    writeFileSync(join(folder, "bundle.pem"), publicPem(KEY));
    bundles = await VerdictBundles.open();
    writeFileSync(join(folder, "bundle.tar.gz"), await bundles.make(0));
    const bundle = {
      name: NAME,
      path: join(folder, "bundle.tar.gz"),
      keys: [join(folder, "bundle.pem")],
      state_dir: join(folder, "state"),
    };
    const place = placeIn(folder, { bundle });
    child = new Child(place);
    await child.ready();
    expect((await child.told("POST", "/agents", { id: REQUEST.agent, ...AGENT })).status).to.be.within(200, 201);
    const { hostname: host, port } = new URL(/"url":"([^"]+)"/.exec(child.said)?.[1] ?? "");
    const headers = { authorization: `Bearer ${place.token}`, "content-type": "application/json" };
    target = { host, port: Number(port), path: "", headers };
  });
  after(() => child.stop());

  it(`none fails and none is mixed over ${SWAPS} swaps of opposite verdicts`, async () => {
    const stop = deciding(target, CONNECTIONS, bundles.digests);
    const took: number[] = [];
    for (let sequence = 1; sequence <= SWAPS; sequence++) {
      const { status, ms } = await publish(target, await bundles.make(sequence));
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
    const stop = deciding(target, CONNECTIONS, bundles.digests);
    const took: number[] = [];
    const wrong: string[] = [];
    for (const { what, code, bytes } of forged) {
      const refused = await publish(target, bytes);
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
