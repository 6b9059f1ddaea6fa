import { execFileSync } from "node:child_process";
import { createPublicKey } from "node:crypto";
import { mkdir, mkdtemp, readFile, rename, rm, stat, symlink, utimes, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect } from "chai";
import { keyId } from "../../src/bundle/signature.js";
import { TrustedStore } from "../../src/bundle/trusted_store.js";
import { PolicyEngine } from "../../src/policy/engine.js";
import { BundleSource, type BundleOutcome } from "../../src/policy/source.js";
import type { Clock, Timers } from "../../src/system/index.js";
import { archive, bundleBytes, codeOf, content, KEYS, NAME, NOW_MS, policyData, signed, STRANGER } from "../bundle/support.js";

const POLL_MS = 1000;

/** The same bundle in an archive of other bytes: its signature is drawn anew. */
const signedAnew = (sequence: number): Promise<Buffer> => archive(signed(content({ sequence })));

describe("where bundles come from", () => {
  let folder: string;
  let state: string;
  let path: string;
  let engine: PolicyEngine;
  let source: BundleSource;
  let outcomes: BundleOutcome[];
  let tick: () => void;
  let passed_ms: number;
  let wall_ms: number;
  let trusted: typeof KEYS;
  const clock: Clock = { wall: () => wall_ms, monotonic: () => passed_ms };
  const timers: Timers = {
    every: (_ms, call) => {
      tick = call;
      return () => (tick = () => undefined);
    },
    after: () => () => undefined,
    turnEnd: () => undefined,
  };

  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), "remit-source-"));
    state = join(folder, "state");
    path = join(folder, "bundle.tar.gz");
    outcomes = [];
    passed_ms = 0;
    trusted = KEYS;
    wall_ms = NOW_MS;
    engine = new PolicyEngine({ trusted: await TrustedStore.open(state), clock });
    const report = (outcome: BundleOutcome): unknown => outcomes.push(outcome);
    source = new BundleSource({ path, name: NAME, trust: () => ({ keys: trusted }), engine, clock, timers, poll_ms: POLL_MS, report });
  });
  afterEach(async () => {
    await rm(folder, { recursive: true, force: true });
  });

  /** What was reported: a sequence for an activation, a code for a refusal. */
  const reported = (): (number | string)[] =>
    outcomes.map((one) => (one.outcome === "activated" ? one.identity.sequence : one.refusal.code));
  const runs = (): number | undefined => source.status.running?.sequence;

  async function put(bytes: Uint8Array): Promise<void> {
    await writeFile(`${path}.put`, bytes);
    await rename(`${path}.put`, path);
  }

  it("says that there is no file, once", async () => {
    await source.check();
    await source.check();
    expect(source.status).to.deep.include({ running: null, wanted: null });
    expect(source.status.refused?.code).to.equal("file_unreadable");
    expect(reported()).to.deep.equal(["file_unreadable"]);
  });

  it("activates what is at the path, and nothing again until it changes", async () => {
    await writeFile(path, await bundleBytes());
    await source.check();
    await source.check();
    expect(runs()).to.equal(12);
    expect(source.status.wanted?.identity).to.deep.equal(source.status.running);
    expect(source.status.refused).to.equal(null);
    await writeFile(path, await bundleBytes({ sequence: 13 }));
    await source.check();
    expect(runs()).to.equal(13);
    expect(reported()).to.deep.equal([12, 13]);
  });

  it("keeps the running one and says why it does not run what is wanted", async () => {
    await writeFile(path, await bundleBytes());
    await source.check();
    for (const [bytes, code] of [
      [await bundleBytes({ sequence: 11 }), "bundle_older"],
      [Buffer.from("no bundle"), "archive_not_gzip"],
      [await bundleBytes({ expires: "2026-01-01T00:00:00Z", sequence: 13 }), "bundle_expired"],
      [await bundleBytes({ sequence: 13 }, policyData(["aborting"])), "self_test_failed"],
    ] as const) {
      await writeFile(path, bytes);
      await source.check();
      expect(source.status.refused?.code).to.equal(code);
      expect(runs()).to.equal(12);
    }
    await writeFile(path, await bundleBytes({ sequence: 13 }));
    await source.check();
    expect(source.status.refused).to.equal(null);
    expect(runs()).to.equal(13);
  });

  for (const [what, make] of [
    ["a FIFO", () => execFileSync("mkfifo", [path])],
    ["a link to a device without end", () => symlink("/dev/zero", path)],
    ["a folder", () => mkdir(path)],
  ] as const) {
    it(`says that ${what} is no file at every look, once, and goes on when a bundle is there`, async () => {
      await writeFile(path, await bundleBytes());
      await source.check();
      await rm(path);
      await make();
      await source.check();
      await source.check();
      expect(await codeOf(source.publish(await bundleBytes({ sequence: 13 })))).to.equal("file_unreadable");
      expect(reported()).to.deep.equal([12, "file_unreadable", "file_unreadable"]);
      expect(runs()).to.equal(12);
      await rm(path, { recursive: true });
      await put(await bundleBytes({ sequence: 14 }));
      await source.check();
      expect(runs()).to.equal(14);
    });
  }

  it("looks by itself while it is watched, and not after", async () => {
    const stop = source.watch();
    await writeFile(path, await bundleBytes());
    tick();
    await source.check();
    expect(runs()).to.equal(12);
    stop();
    await writeFile(path, await bundleBytes({ sequence: 13 }));
    tick();
    expect(await codeOf(source.publish(Buffer.from("waits for whatever is under way")))).to.equal("archive_not_gzip");
    expect(outcomes[1]).to.deep.include({ outcome: "activated", from: "path" });
  });

  describe("a file that is met again", () => {
    const AGAIN: [string, (bytes: Buffer) => Promise<unknown>][] = [
      ["touched", () => utimes(path, 1, 1)],
      ["replaced by a copy", put],
      ["signed anew", async () => put(await signedAnew(12))],
      [
        "gone for a while",
        async (bytes) => {
          await rm(path);
          await source.check();
          expect(source.status.refused?.code).to.equal("file_unreadable");
          outcomes.pop();
          await put(bytes);
        },
      ],
    ];
    for (const [what, change] of AGAIN) {
      it(`is not activated again: ${what}`, async () => {
        const bytes = await bundleBytes();
        await put(bytes);
        await source.check();
        const running = engine.active;
        await change(bytes);
        await source.check();
        expect(engine.active).to.equal(running);
        expect(reported()).to.deep.equal([12]);
        expect(source.status.refused).to.equal(null);
        expect(source.status.wanted?.identity).to.deep.equal(running?.identity);
      });
    }
  });

  describe("a refusal", () => {
    it("that may pass is tried again until it has, without the file changing", async () => {
      await put(await bundleBytes());
      await rm(state, { recursive: true });
      await source.check();
      expect(source.status.refused?.code).to.equal("trust_unwritable");
      expect(runs()).to.equal(undefined);
      await mkdir(state);
      passed_ms += POLL_MS;
      await source.check();
      expect(source.status.refused).to.equal(null);
      expect(runs()).to.equal(12);
      expect(reported()).to.deep.equal(["trust_unwritable", 12]);
    });

    it("that may pass is tried less and less often, once a minute in the end, and reported once", async () => {
      await put(await bundleBytes());
      await rm(state, { recursive: true });
      const tried: number[] = [];
      let refused = source.status.refused;
      for (passed_ms = 0; passed_ms <= 200_000; passed_ms += POLL_MS) {
        await source.check();
        if (source.status.refused !== refused) tried.push(passed_ms / 1000);
        refused = source.status.refused;
      }
      expect(tried).to.deep.equal([0, 1, 3, 7, 15, 31, 63, 123, 183]);
      expect(reported()).to.deep.equal(["trust_unwritable"]);
    });

    it("starts afresh with another file", async () => {
      await put(await bundleBytes());
      await rm(state, { recursive: true });
      for (passed_ms = 0; passed_ms < 40_000; passed_ms += POLL_MS) await source.check();
      await put(await bundleBytes({ sequence: 13 }));
      await source.check();
      await mkdir(state);
      passed_ms += POLL_MS;
      await source.check();
      expect(reported()).to.deep.equal(["trust_unwritable", "trust_unwritable", 13]);
    });

    it("for a clock that was wrong passes once it is right", async () => {
      await put(await bundleBytes());
      wall_ms = Date.UTC(2030, 0);
      await source.check();
      wall_ms = NOW_MS;
      passed_ms += POLL_MS;
      await source.check();
      expect(reported()).to.deep.equal(["bundle_expired", 12]);
    });

    it("for a key that isn't trusted passes once the key is, without a restart", async () => {
      await put(await archive(signed(content(), STRANGER)));
      await source.check();
      expect(reported()).to.deep.equal(["signature_key_unknown"]);
      trusted = new Map([...KEYS, [keyId(STRANGER), createPublicKey(STRANGER)]]);
      passed_ms += POLL_MS;
      await source.check();
      expect(runs()).to.equal(12);
      // What it signed runs on; nothing more of it is accepted once it is gone.
      trusted = KEYS;
      await put(await archive(signed(content({ sequence: 13 }), STRANGER)));
      await source.check();
      expect(source.status).to.deep.include({ running: engine.active?.identity });
      expect(reported().slice(1)).to.deep.equal([12, "signature_key_unknown"]);
    });

    it("for a file that can't be read is tried at every look", async () => {
      await mkdir(path);
      await source.check();
      expect(source.status.refused?.code).to.equal("file_unreadable");
      await rm(path, { recursive: true });
      await put(await bundleBytes());
      await source.check();
      expect(runs()).to.equal(12);
    });

    for (const [what, code, bytes] of [
      ["a bad signature", "signature_missing", () => archive(content())],
      ["a failed self-test", "self_test_failed", () => bundleBytes({}, policyData(["aborting"]))],
      ["another name", "name_mismatch", () => bundleBytes({ name: "another" })],
      ["no archive", "archive_not_gzip", () => Promise.resolve(Buffer.from("no bundle"))],
    ] as const) {
      it(`for ${what} lasts as long as the file, which is not tried again`, async () => {
        await put(await bytes());
        await source.check();
        const { refused } = source.status;
        expect(refused?.code).to.equal(code);
        for (; passed_ms < 300_000; passed_ms += POLL_MS) await source.check();
        // Another attempt would have made another one.
        expect(source.status.refused).to.equal(refused);
        expect(reported()).to.deep.equal([code]);
      });
    }
  });

  describe("a publication", () => {
    it("is put where a restart finds it", async () => {
      const bytes = await bundleBytes();
      await source.publish(bytes);
      expect((await readFile(path)).equals(bytes)).to.equal(true);
      expect(runs()).to.equal(12);
    });

    it("is what is wanted at once, and the next look finds nothing to do", async () => {
      await put(Buffer.from("no bundle"));
      await source.check();
      expect(source.status.refused?.code).to.equal("archive_not_gzip");
      const bytes = await bundleBytes();
      const identity = await source.publish(bytes);
      expect(source.status).to.deep.include({ running: identity, refused: null });
      expect(source.status.wanted?.identity).to.equal(identity);
      await source.check();
      const { status } = source;
      const { mtimeMs } = await stat(path, { bigint: true });
      expect(status).to.deep.include({
        wanted: { bytes: bytes.length, modified_ms: Number(mtimeMs), identity },
        running: identity,
        refused: null,
      });
      const running = engine.active;
      await source.check();
      expect(source.status).to.deep.equal(status);
      expect(engine.active).to.equal(running);
      expect(reported()).to.deep.equal(["archive_not_gzip", 12]);
    });

    it("never shows itself half: what runs is what is wanted at every moment after", async () => {
      await put(await bundleBytes());
      await source.check();
      const seen = new Set<string>();
      const publication = { done: false };
      const published = source.publish(await bundleBytes({ sequence: 13 })).finally(() => (publication.done = true));
      while (!publication.done) {
        const { wanted, running, refused } = source.status;
        seen.add(`${wanted?.identity?.sequence} ${running?.sequence} ${refused?.code}`);
        await new Promise((resolve) => setImmediate(resolve));
      }
      await published;
      expect([...seen].filter((one) => !["12 12 undefined", "13 13 undefined"].includes(one))).to.deep.equal([]);
    });

    it("of what runs already replaces whatever else is at the path, and activates nothing", async () => {
      await put(await bundleBytes());
      await source.check();
      const running = engine.active;
      await put(Buffer.from("no bundle"));
      await source.check();
      const again = await signedAnew(12);
      expect(await source.publish(again)).to.equal(running?.identity);
      expect((await readFile(path)).equals(again)).to.equal(true);
      expect(source.status).to.deep.include({ running: running?.identity, refused: null });
      expect(source.status.wanted?.identity).to.equal(running?.identity);
      expect(engine.active).to.equal(running);
      expect(reported()).to.deep.equal([12, "archive_not_gzip"]);
    });

    it("that is bad is refused: file, running bundle and status stay", async () => {
      const bytes = await bundleBytes();
      await source.publish(bytes);
      await source.check();
      const { status } = source;
      const file = await stat(path, { bigint: true });
      for (const [bad, code] of [
        [await bundleBytes({ sequence: 11 }), "bundle_older"],
        [await bundleBytes({ builder: "another" }), "bundle_changed"],
        [await archive(content()), "signature_missing"],
        [await bundleBytes({ sequence: 13 }, policyData(["shapeless"])), "self_test_failed"],
        [await bundleBytes({ sequence: 13, expires: "2026-01-01T00:00:00Z" }), "bundle_expired"],
      ] as const) {
        expect(await codeOf(source.publish(bad))).to.equal(code);
        const { ino, mtimeNs } = await stat(path, { bigint: true });
        expect([ino, mtimeNs]).to.deep.equal([file.ino, file.mtimeNs]);
        expect(source.status).to.deep.equal(status);
      }
      expect((await readFile(path)).equals(bytes)).to.equal(true);
    });

    for (const [what, before] of [
      ["there was a file", () => bundleBytes()],
      ["there was none", () => Promise.resolve(null)],
    ] as const) {
      it(`that can't be noted as trusted leaves the path as it was, where ${what}`, async () => {
        const bytes = await before();
        if (bytes !== null) await put(bytes);
        await source.check();
        const running = runs();
        await rm(state, { recursive: true });
        expect(await codeOf(source.publish(await bundleBytes({ sequence: 13 })))).to.equal("trust_unwritable");
        const found = await readFile(path).catch(() => null);
        expect(bytes === null ? found === null : found?.equals(bytes)).to.equal(true);
        await mkdir(state);
        passed_ms += 10 * POLL_MS;
        await source.check();
        // What was refused to the publisher doesn't come into force by itself later.
        expect(runs()).to.equal(running);
      });
    }

    it("that can't be put at the path is refused, and nothing is noted", async () => {
      const bytes = await bundleBytes();
      await source.publish(bytes);
      await mkdir(`${path}.new`);
      expect(await codeOf(source.publish(await bundleBytes({ sequence: 13 })))).to.equal("file_unwritable");
      expect((await TrustedStore.open(state)).trusted(NAME)?.sequence).to.equal(12);
      expect((await readFile(path)).equals(bytes)).to.equal(true);
      expect(runs()).to.equal(12);
    });
  });

  describe("publications and looks at once", () => {
    it("let the newer file win over an older publication, whichever was asked first", async () => {
      const newer = await bundleBytes({ sequence: 13 });
      const older = await bundleBytes();
      for (const lookFirst of [true, false]) {
        await put(newer);
        const look = lookFirst ? source.check() : undefined;
        const publication = codeOf(source.publish(older));
        await Promise.all([look, source.check()]);
        expect(await publication).to.equal("bundle_older");
        expect((await readFile(path)).equals(newer)).to.equal(true);
        expect(source.status.wanted?.identity).to.equal(source.status.running);
        expect(source.status.refused).to.equal(null);
        expect(runs()).to.equal(13);
      }
      expect(reported()).to.deep.equal([13, "bundle_older", "bundle_older"]);
    });

    it("end with one bundle at the path, in the status, in the note and in force", async () => {
      const bundles = await Promise.all([12, 15, 13, 14, 17, 16].map((sequence) => bundleBytes({ sequence })));
      const running: Promise<unknown>[] = [];
      const answers: Promise<string>[] = [];
      for (const bytes of bundles) {
        running.push(source.check());
        answers.push(codeOf(source.publish(bytes)));
        running.push(source.check());
      }
      await Promise.all(running);
      expect(await Promise.all(answers)).to.deep.equal([
        "accepted",
        "accepted",
        "bundle_older",
        "bundle_older",
        "accepted",
        "bundle_older",
      ]);
      expect((await readFile(path)).equals(bundles[4] ?? Buffer.of())).to.equal(true);
      expect((await TrustedStore.open(state)).trusted(NAME)?.sequence).to.equal(17);
      expect(source.status.wanted?.identity).to.equal(source.status.running);
      expect([runs(), source.status.refused]).to.deep.equal([17, null]);
      expect(reported().filter((one) => typeof one === "number")).to.deep.equal([12, 15, 17]);
    });
  });
});
