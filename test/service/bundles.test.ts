import { expect } from "chai";
import type { StagedActivation } from "../../src/contract/index.js";
import type { ActivePolicy } from "../../src/decision/ports.js";
import { Staging, type StageEnd } from "../../src/policy/staging.js";
import { bundlesOf, type BundleParts } from "../../src/service/bundles.js";
import { digestOf, staged } from "../cluster/bundle_node.js";
import { ALLOWED, policyOf } from "../decision/world.js";

const ACT = { by: "ops", reason: "odd" };
const SHARE = 10;
const clock = { wall: () => Date.UTC(2026, 0, 2), monotonic: () => 0 };

const policy = (sequence: number): ActivePolicy => {
  const made = policyOf(() => ALLOWED, sequence);
  return { ...made, identity: { ...made.identity, digest: digestOf(sequence) } };
};

/** What the feed of the cluster has staged as the second stage begins; undefined: there is no cluster. */
const FEEDS: Record<string, StagedActivation | null | undefined> = {
  "a service that decides alone": undefined,
  "a node whose feed names the second": staged(3).staged,
  "a node whose feed names none any more": null,
};

for (const [where, named] of Object.entries(FEEDS))
  describe(`a stage that is dropped, on ${where}`, () => {
    let staging: Staging;
    let ended: [digest: string, why: StageEnd][];
    /** Digests of which the feed was told that they are dropped. */
    let told: string[];
    let bundles: ReturnType<typeof bundlesOf>;

    beforeEach(() => {
      [ended, told] = [[], []];
      staging = new Staging({
        clock,
        timers: { turnEnd: () => undefined },
        limits: { compared_min: 10, flips_percent_max: 20, errors_max: 2 },
        ended: (why, { identity }) => ended.push([identity.digest, why]),
      });
      const activation = named !== undefined && {
        staged: named,
        dropStaged: (digest: string): Promise<void> => {
          told.push(digest);
          return Promise.resolve();
        },
      };
      // The end of a stage needs nothing else.
      bundles = bundlesOf({ staging, clock, activation: activation || null } as unknown as BundleParts);
      staging.begin(policy(2), policy(1), SHARE);
    });

    it("doesn't end the one that took its place since somebody looked at it", async () => {
      staging.begin(policy(3), policy(1), SHARE);
      await bundles.dropStaged(digestOf(2), ACT);
      expect([staging.status?.identity.digest, ended, told]).to.deep.equal([digestOf(3), [[digestOf(2), "replaced"]], []]);
    });

    it("ends if it is still tried here", async () => {
      await bundles.dropStaged(digestOf(2), ACT);
      expect([staging.status, ended, told]).to.deep.equal([null, [[digestOf(2), "dropped"]], []]);
    });

    it("isn't missed if it has ended by itself", async () => {
      staging.end("flips");
      await bundles.dropStaged(digestOf(2), ACT);
      expect([staging.status, ended, told]).to.deep.equal([null, [[digestOf(2), "flips"]], []]);
    });
  });
