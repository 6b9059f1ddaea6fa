import { PassThrough } from "node:stream";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect } from "chai";
import type { BundleError } from "../../src/bundle/verify.js";
import { PolicyInstance } from "../../src/policy/instance.js";
import { readConfig, type Config } from "../../src/system/config.js";
import { system } from "../../src/system/index.js";
import { logger } from "../../src/system/logger.js";
import { readBytes } from "../../src/system/read_file.js";
import { Preparations, archiveLimits, instanceLimits, limitsBeyondCheck } from "../../src/service/preparations.js";
import { bundleTrust } from "../../src/service/trusted_keys.js";
import { temporaryDirectory } from "../audit/temporary.js";
import { KEY, NAME, bundleBytes, publicPem } from "../bundle/support.js";
import { placeIn } from "./child.js";

const EXPIRES = "2026-06-01T00:00:00Z";
const EXPIRES_MS = Date.parse(EXPIRES);
const LOG = logger(system.clock, new PassThrough().resume());

interface Made {
  readied: Preparations;
  config: Config;
}

describe("limits of a service", () => {
  const rows: [what: string, sections: NonNullable<Parameters<typeof placeIn>[1]>, keys: string[]][] = [
    ["by default", {}, []],
    ["smaller requests and more fuel", { limits: { body_bytes_max: 4096 }, engine: { evaluation_fuel_max: 90_000_000 } }, []],
    ["larger requests", { limits: { body_bytes_max: 65_537, members_max: 257 } }, ["limits.body_bytes_max", "limits.members_max"]],
    ["less fuel", { engine: { evaluation_fuel_max: 30_000_000 } }, ["engine.evaluation_fuel_max"]],
  ];
  for (const [what, sections, keys] of rows)
    it(`are named where \`remit check\` supposes others: ${what}`, () => {
      expect(limitsBeyondCheck(readConfig(placeIn(temporaryDirectory(), sections).config))).to.deep.equal(keys);
    });
});

describe("what a standby has made ready", () => {
  async function made(): Promise<Made> {
    const folder = temporaryDirectory();
    writeFileSync(join(folder, "bundle.pem"), publicPem(KEY));
    writeFileSync(join(folder, "bundle.tar.gz"), await bundleBytes({ expires: EXPIRES }));
    const bundle = { path: "bundle.tar.gz", name: NAME, keys: ["bundle.pem"] };
    const config = readConfig(placeIn(folder, { bundle }).config);
    const clock = { ...system.clock, wall: () => EXPIRES_MS - 1 };
    const readied = new Preparations({ ...system, clock }, LOG);
    await readied.make(config);
    return { readied, config };
  }

  const asked = (config: Config, nowMs: number): Parameters<Preparations["verify"]> => [
    readBytes(config.bundle.path),
    { name: config.bundle.name, ...bundleTrust(config), nowMs, limits: archiveLimits(config) },
  ];

  // An instance that has been tried is warm: a start that got another would find it cold.
  const tried = new WeakSet<PolicyInstance>();
  const { evaluate } = Object.getOwnPropertyDescriptors(PolicyInstance.prototype);
  before(() => {
    PolicyInstance.prototype.evaluate = function (input) {
      tried.add(this);
      return (evaluate.value as typeof PolicyInstance.prototype.evaluate).call(this, input);
    };
  });
  after(() => {
    Object.defineProperty(PolicyInstance.prototype, "evaluate", evaluate);
  });

  it("is had by a start that asks for the same, once", async () => {
    const { readied, config } = await made();
    const bundle = await readied.verify(...asked(config, EXPIRES_MS - 1));
    expect(await readied.verify(...asked(config, EXPIRES_MS - 1))).to.equal(bundle);
    const load = readied.instances(instanceLimits(config));
    expect([load(bundle), load(bundle)].map((one) => tried.has(one))).to.deep.equal([true, false]);
  });

  it("is made once for a bundle, and anew for another", async () => {
    const { readied, config } = await made();
    await readied.make(config);
    const first = await readied.verify(...asked(config, EXPIRES_MS - 1));
    writeFileSync(config.bundle.path, await bundleBytes({ expires: EXPIRES, sequence: 13 }));
    await readied.make(config);
    const second = await readied.verify(...asked(config, EXPIRES_MS - 1));
    const load = readied.instances(instanceLimits(config));
    expect([load(first), load(second)].map((one) => tried.has(one))).to.deep.equal([false, true]);
  });

  it("isn't verified any more once it has expired", async () => {
    const { readied, config } = await made();
    const refused = await readied.verify(...asked(config, EXPIRES_MS)).catch((cause: unknown) => cause as BundleError);
    expect(refused).to.have.property("code", "bundle_expired");
  });

  const others: Readonly<Record<string, (config: Config) => void>> = {
    "a name": (config) => (config.bundle.name = "another"),
    "a bound of the archive": (config) => (config.bundle.bytes_max = 100),
  };
  for (const [what, change] of Object.entries(others)) {
    it(`isn't what a start gets that asks by another: ${what}`, async () => {
      const { readied, config } = await made();
      change(config);
      const refused = await readied.verify(...asked(config, EXPIRES_MS - 1)).catch((cause: unknown) => cause);
      expect(refused).to.be.an("error").with.property("name", "BundleError");
    });
  }

  it("evaluates within the bounds that the start has, and no others", async () => {
    const { readied, config } = await made();
    const bundle = await readied.verify(...asked(config, EXPIRES_MS - 1));
    const limits = instanceLimits(config);
    const other = readied.instances({ ...limits, evaluation_fuel_max: 2 * limits.evaluation_fuel_max });
    expect(tried.has(other(bundle))).to.equal(false);
    expect(tried.has(readied.instances(limits)(bundle))).to.equal(true);
  });
});
