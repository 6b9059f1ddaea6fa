import { expect } from "chai";
import { system, systemClock } from "../../src/system/index.js";
import { bundleBytes } from "../bundle/support.js";
import { ALL, REQUEST, post, run, type Running } from "./running.js";

const MINUTE_MS = 60_000;

describe("a service whose bundle expires while it runs", () => {
  let service: Running;
  let ahead_ms: number;
  let look: () => void;

  beforeEach(async () => {
    ahead_ms = 0;
    const { timers } = system;
    const outside = {
      ...system,
      clock: { ...systemClock, wall: () => systemClock.wall() + ahead_ms },
      timers: {
        ...timers,
        every: (ms: number, call: () => void) => {
          // The watch over the expiry, which looks once a minute.
          if (ms === MINUTE_MS) look = call;
          return timers.every(ms, call);
        },
      },
    };
    service = await run({}, await expiringIn(10 * MINUTE_MS, 12), outside);
  });
  afterEach(() => service.stop());

  function expiringIn(ms: number, sequence: number): Promise<Buffer> {
    const expires = new Date(systemClock.wall() + ms).toISOString().replace(/\.\d+Z$/, "Z");
    return bundleBytes({ expires, sequence });
  }

  const get = (path: string): Promise<Response> => fetch(`${service.url}${path}`, { headers: { authorization: `Bearer ${ALL}` } });

  async function state(): Promise<Record<string, unknown>> {
    const ready = await get("/readyz");
    const decided = await post(service, "/decide", REQUEST);
    const batch = await post(service, "/decide/batch", { actions: [REQUEST] });
    const { code } = (await decided.json()) as { code?: string };
    return {
      ready: ready.status,
      bundle: ((await ready.json()) as { bundle: boolean }).bundle,
      decide: decided.status,
      batch: batch.status,
      ...(code === undefined ? {} : { code, retry: decided.headers.get("retry-after") }),
    };
  }

  async function secondsLeft(): Promise<number> {
    const text = await (await get("/metrics")).text();
    return Number(/^remit_bundle_expires_seconds (.+)$/m.exec(text)?.[1]);
  }

  /** Level and code of what the log said about an expiry. */
  const warned = (): unknown[] =>
    service
      .said()
      .split("\n")
      .filter((line) => line.includes("expire"))
      .map((line) => JSON.parse(line) as Record<string, unknown>)
      .map(({ level, sequence }) => [level, sequence]);

  const DECIDES = { ready: 200, bundle: true, decide: 200, batch: 200 };

  it("warns beforehand, then decides nothing and says so, until its successor comes", async () => {
    expect(await state()).to.deep.equal(DECIDES);
    expect(await secondsLeft()).to.be.within(1, 600);
    expect(warned()).to.deep.equal([["warn", 12]]);

    ahead_ms = 10 * MINUTE_MS;
    look();
    expect(await state()).to.deep.equal({
      ready: 503,
      bundle: false,
      decide: 503,
      batch: 503,
      code: "bundle_expired",
      retry: "1",
    });
    expect(await secondsLeft()).to.be.at.most(0);
    expect(warned()).to.deep.equal([
      ["warn", 12],
      ["error", 12],
    ]);

    const headers = { authorization: `Bearer ${ALL}`, "content-type": "application/gzip" };
    const publish = async (bytes: Buffer): Promise<number> =>
      (await fetch(`${service.url}/bundles`, { method: "POST", headers, body: new Uint8Array(bytes) })).status;
    expect(await publish(await expiringIn(MINUTE_MS, 13))).to.equal(422);
    expect((await state())["code"]).to.equal("bundle_expired");
    expect(await publish(await expiringIn(60 * MINUTE_MS, 13))).to.equal(200);
    expect(await state()).to.deep.equal(DECIDES);
  });

  it("says that a bundle without an end has none", async () => {
    const body = new Uint8Array(await bundleBytes({ expires: null, sequence: 13 }));
    const headers = { authorization: `Bearer ${ALL}`, "content-type": "application/gzip" };
    expect((await fetch(`${service.url}/bundles`, { method: "POST", headers, body })).status).to.equal(200);
    expect(await (await get("/metrics")).text()).to.match(/^remit_bundle_expires_seconds \+Inf$/m);
    ahead_ms = 10 * MINUTE_MS;
    expect(await state()).to.deep.equal(DECIDES);
  });
});
