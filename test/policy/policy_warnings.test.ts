import { expect } from "chai";
import type { ActivePolicy } from "../../src/decision/ports.js";
import type { DetectedNotice } from "../../src/findings/notices.js";
import type { Logger } from "../../src/system/logger.js";
import { watchPolicy } from "../../src/service/policy_warnings.js";
import { policyOf } from "../decision/world.js";

const MINUTE_MS = 60_000;
const DAY_MS = 24 * 60 * MINUTE_MS;
const NOW_MS = Date.UTC(2026, 5, 1);

describe("warnings about the policy that decides", () => {
  let [passed_ms, silent_ms]: [number, number | null] = [0, null];
  let looks: (() => void)[];
  let noted: DetectedNotice[];
  let isLogFailing: boolean;
  let active: ActivePolicy | null;
  beforeEach(() => {
    [passed_ms, silent_ms, looks, noted, isLogFailing, active] = [0, null, [], [], false, null];
  });

  function watch(hasSource = true): () => void {
    const logger = { info: () => undefined, warn: () => undefined, error: () => undefined } as unknown as Logger;
    return watchPolicy({
      engine: {
        get active() {
          return active;
        },
      },
      source: hasSource
        ? {
            kind: "http",
            url: "https://policies.example/desk.tar.gz",
            get status() {
              return { silent_ms, failing: "ECONNREFUSED" };
            },
          }
        : null,
      notices: {
        note: (notice) => {
          if (isLogFailing) return Promise.reject(new Error("the disk is full"));
          noted.push(notice);
          return Promise.resolve({ id: "1", finding: "F-1" });
        },
      },
      system: {
        clock: { wall: () => NOW_MS + passed_ms, monotonic: () => passed_ms },
        timers: {
          after: () => () => undefined,
          turnEnd: () => undefined,
          every: (_, look) => {
            looks.push(look);
            return () => (looks = looks.filter((one) => one !== look));
          },
        },
      },
      logger,
    });
  }

  async function pass(minutes: number): Promise<void> {
    for (let i = 0; i < minutes; i++) {
      passed_ms += MINUTE_MS;
      if (silent_ms !== null) silent_ms += MINUTE_MS;
      for (const look of looks) look();
      await Promise.resolve();
      await Promise.resolve();
    }
  }
  const codes = (): string[] => noted.map(({ code }) => code);
  const expiring = (in_ms: number): ActivePolicy => ({ ...policyOf(() => null), expires_ms: NOW_MS + in_ms });

  it("record a source that falls silent, once, and again after it has answered in between", async () => {
    silent_ms = 0;
    watch();
    await pass(14);
    expect(codes()).to.deep.equal([]);
    await pass(30);
    expect(codes()).to.deep.equal(["policy_source_silent"]);
    expect(noted[0]).to.deep.include({
      caller: "remit",
      agent: null,
      detail: { kind: "http", url: "https://policies.example/desk.tar.gz", failing: "ECONNREFUSED" },
    });
    silent_ms = 0;
    await pass(16);
    expect(codes()).to.deep.equal(["policy_source_silent", "policy_source_silent"]);
  });

  it("record a source that has never answered since the start", async () => {
    watch();
    await pass(15);
    expect(codes()).to.deep.equal(["policy_source_silent"]);
  });

  it("are repeated until the log takes them", async () => {
    watch();
    isLogFailing = true;
    await pass(20);
    isLogFailing = false;
    await pass(2);
    expect(codes()).to.deep.equal(["policy_source_silent"]);
  });

  it("record that the active bundle expires, each day, and that it has expired", async () => {
    active = expiring(1.5 * DAY_MS);
    watch(false);
    await pass(3 * 24 * 60);
    expect(codes()).to.deep.equal(["policy_expiring", "policy_expiring", "policy_expired", "policy_expired"]);
    expect(noted.map(({ message }) => message).slice(0, 3)).to.deep.equal([
      "the active bundle expires in 2 days",
      "the active bundle expires in 1 day",
      "the active bundle has expired; nothing is decided",
    ]);
  });

  it("say nothing without a source and an end, and nothing once they are ended", async () => {
    const ends = [watch(false)];
    await pass(60);
    ends.push(watch());
    for (const end of ends) end();
    active = expiring(DAY_MS);
    silent_ms = DAY_MS;
    await pass(60);
    expect(codes()).to.deep.equal([]);
  });
});
