import { expect } from "chai";
import type { FleetBundlesAnswer } from "../../src/contract/index.js";
import type { DetectedNotice } from "../../src/findings/notices.js";
import { watchFleetBundles } from "../../src/service/fleet_bundles.js";

const MAX_MS = 60_000;

describe("warnings about different bundles on a cluster's nodes", () => {
  let differ_ms: number | null;
  let live: string[];
  let looks: (() => void)[];
  let noted: DetectedNotice[];
  let reported: number;
  let isLogFailing: boolean;
  beforeEach(() => {
    [differ_ms, live, looks, noted, reported, isLogFailing] = [null, ["a", "b"], [], [], 0, false];
  });

  const watch = (name = "a"): (() => void) =>
    watchFleetBundles({
      node: {
        name,
        get live() {
          return live;
        },
        get bundles(): FleetBundlesAnswer {
          const running = [
            { digest: "sha256:old", nodes: ["a"], since: null },
            { digest: null, nodes: ["b"], since: null },
          ];
          return { same: differ_ms === null, differ_ms, running };
        },
      },
      differ_ms_max: MAX_MS,
      notices: {
        note: (notice) => {
          if (isLogFailing) return Promise.reject(new Error("the disk is full"));
          noted.push(notice);
          return Promise.resolve({ id: "1", finding: "F-1" });
        },
      },
      system: {
        timers: {
          after: () => () => undefined,
          turnEnd: () => undefined,
          every: (_, look) => {
            looks.push(look);
            return () => (looks = looks.filter((one) => one !== look));
          },
        },
      },
      logger: { error: () => reported++, warn: () => undefined, info: () => undefined },
    });
  const look = async (ms: number | null): Promise<number> => {
    differ_ms = ms;
    for (const one of looks) one();
    await new Promise((resolve) => setImmediate(resolve));
    return noted.length;
  };

  it("are none while a bundle is rolled out, and one finding when that takes too long", async () => {
    watch();
    expect(await look(null)).to.equal(0);
    expect(await look(MAX_MS - 1)).to.equal(0);
    expect(await look(MAX_MS)).to.equal(1);
    expect(await look(MAX_MS + 5000)).to.equal(1);
    expect(noted[0]).to.deep.include({ code: "policy_differs", agent: null });
    expect(noted[0]?.message).to.equal("nodes of the cluster have run different bundles for 60 seconds (a: sha256:old; b: none)");
    expect(reported).to.equal(1);
  });

  it("come again when the bundles were the same meanwhile", async () => {
    watch();
    await look(MAX_MS);
    await look(null);
    expect(await look(MAX_MS)).to.equal(2);
  });

  it("are a finding of the first live node, and of the next one if that falls silent", async () => {
    watch("b");
    expect([await look(MAX_MS), reported]).to.deep.equal([0, 1]);
    live = ["b"];
    expect([await look(MAX_MS), reported]).to.deep.equal([1, 1]);
  });

  it("are tried again until they are on record", async () => {
    watch();
    isLogFailing = true;
    await look(MAX_MS);
    isLogFailing = false;
    expect(await look(MAX_MS)).to.equal(1);
  });

  it("end with the service", async () => {
    watch()();
    expect(await look(MAX_MS)).to.equal(0);
  });
});
