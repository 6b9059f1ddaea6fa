import { PassThrough } from "node:stream";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect } from "chai";
import type { BundleError } from "../../src/bundle/verify.js";
import { inPlace } from "../../src/policy/evaluator.js";
import { INSTANCE_LIMITS } from "../../src/policy/instance.js";
import { readConfig, type Config } from "../../src/system/config.js";
import { system } from "../../src/system/index.js";
import { logger } from "../../src/system/logger.js";
import { readBytes } from "../../src/system/read_file.js";
import { Readied, archiveLimits, evaluating } from "../../src/wiring/readied.js";
import { trustedKeys } from "../../src/wiring/trusted_keys.js";
import { temporaryDirectory } from "../audit/temporary.js";
import { KEY, NAME, bundleBytes, publicPem } from "../bundle/support.js";
import { placeIn } from "./child.js";

const EXPIRES = "2026-06-01T00:00:00Z";
const EXPIRES_MS = Date.parse(EXPIRES);
const LOG = logger(system.clock, new PassThrough().resume());

interface Made {
  readied: Readied;
  config: Config;
  /** The bounds of each evaluator that was begun, and whether it has ended. */
  begun: { evaluation_ms_max: number; closed: boolean }[];
}

describe("what a standby has made ready", () => {
  async function made(): Promise<Made> {
    const folder = temporaryDirectory();
    writeFileSync(join(folder, "bundle.pem"), publicPem(KEY));
    writeFileSync(join(folder, "bundle.tar.gz"), await bundleBytes({ expires: EXPIRES }));
    const bundle = { path: "bundle.tar.gz", name: NAME, keys: ["bundle.pem"] };
    const config = readConfig(placeIn(folder, { bundle }).config);
    const clock = { ...system.clock, wall: () => EXPIRES_MS - 1 };
    const begun: Made["begun"] = [];
    const readied = new Readied({ ...system, clock }, LOG, ({ evaluation_ms_max }) => async (module, warmUp) => {
      const one = { evaluation_ms_max, closed: false };
      begun.push(one);
      const close = (): Promise<void> => {
        one.closed = true;
        return Promise.resolve();
      };
      return { ...(await inPlace(INSTANCE_LIMITS)(module, warmUp)), close };
    });
    await readied.make(config);
    return { readied, config, begun };
  }

  const asked = (config: Config, nowMs: number): Parameters<Readied["verify"]> => [
    readBytes(config.bundle.path),
    { name: config.bundle.name, keys: trustedKeys(config), nowMs, limits: archiveLimits(config) },
  ];

  it("is had by a start that asks for the same, once", async () => {
    const { readied, config, begun } = await made();
    const bundle = await readied.verify(...asked(config, EXPIRES_MS - 1));
    expect(await readied.verify(...asked(config, EXPIRES_MS - 1))).to.equal(bundle);
    const start = readied.evaluators(evaluating(config, system, LOG));
    await start(bundle, []);
    expect(begun).to.have.length(1);
    await start(bundle, []);
    expect(begun).to.have.length(2);
  });

  it("is made once, and ended where no start has taken it", async () => {
    const { readied, config, begun } = await made();
    await readied.make(config);
    expect(begun.map(({ closed }) => closed)).to.deep.equal([false]);
    writeFileSync(config.bundle.path, await bundleBytes({ expires: EXPIRES, sequence: 13 }));
    await readied.make(config);
    expect(begun.map(({ closed }) => closed)).to.deep.equal([true, false]);
    await readied.close();
    expect(begun.map(({ closed }) => closed)).to.deep.equal([true, true]);
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
    const { readied, config, begun } = await made();
    const bundle = await readied.verify(...asked(config, EXPIRES_MS - 1));
    const evaluation_ms_max = 2 * config.engine.evaluation_ms_max;
    await readied.evaluators({ ...evaluating(config, system, LOG), evaluation_ms_max })(bundle, []);
    expect(begun.map((one) => one.evaluation_ms_max)).to.deep.equal([config.engine.evaluation_ms_max, evaluation_ms_max]);
  });
});
