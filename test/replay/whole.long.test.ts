import { once } from "node:events";
import { cpSync, existsSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { PassThrough } from "node:stream";
import { buffer } from "node:stream/consumers";
import { createPublicKey } from "node:crypto";
import { cp, readFile, writeFile } from "node:fs/promises";
import { expect } from "chai";
import { loadBenchmark } from "../../demo/benchmark.js";
import { tellDay } from "../../demo/day.js";
import { replayRetail } from "../../demo/retail.js";
import { decisionsIn, runService } from "../../demo/service.js";
import { makeSandbox } from "../../demo/sandbox.js";
import { buildBundle } from "../../src/bundle/build.js";
import { readUnverified, type BundleContent } from "../../src/bundle/verify.js";
import { terminal } from "../../src/cli/ui.js";
import { ReplayBundles } from "../../src/replay/bundles.js";
import { startService } from "../../src/service.js";
import { readConfig } from "../../src/system/config.js";
import { system, type Clock } from "../../src/system/index.js";
import { logger } from "../../src/system/logger.js";
import { asset } from "../../src/system/paths.js";
import { temporaryDirectory } from "../audit/temporary.js";
import { bundleBytes } from "../bundle/support.js";
import { COMPILER_BUILD_MS_MAX, KEY, compiler } from "../build/support.js";
import { action, faultsBundle } from "../faults/support.js";
import { Golden, readGolden } from "../golden.js";
import { REQUEST, post, run, tokenFor } from "../http/running.js";
import { bundlesOf, replayed, type ReplayOutcome } from "./desk.js";
import { LogFolder } from "./folder.js";
import { skip } from "../skip.js";

const SILENT = terminal({ write: () => true }, { write: () => true }, {});
const shipped = async (name: string): Promise<BundleContent> => readUnverified(await readFile(asset("bundles", `${name}.tar.gz`)));

/** As `runService`, with its records in `folder` once it has stopped. */
function keeping(folder: string): typeof runService {
  return async (options) => {
    const service = await runService(options);
    return {
      ...service,
      stop: async () => {
        // What is searched comes and goes beside the log, and a file that is gone would end the copy.
        cpSync(service.records, folder, { recursive: true, filter: (path) => !path.endsWith("/parquet") });
        await service.stop();
      },
    };
  };
}

function isWhole(found: ReplayOutcome): void {
  expect(found.differences, JSON.stringify(found.differences.slice(0, 3))).to.deep.equal([]);
  expect(found).to.include({ identical: found.decisions, differing: 0, masked: 0, no_bundle: 0, unreadable: 0 });
}

describe("what services have on record comes out as it was decided:", function () {
  this.timeout(COMPILER_BUILD_MS_MAX);

  it("a day at a support desk", async () => {
    const folder = temporaryDirectory();
    const { decisions } = await tellDay(SILENT, keeping(folder));
    const found = await replayed(folder, bundlesOf(await shipped("customer_support")));
    isWhole(found);
    expect(found.decisions).to.equal(decisions);
  });

  it("a day at a support desk, with a restart and then another bundle in the middle of it", async () => {
    const folder = temporaryDirectory();
    const moved = await Moved.build();
    const { wrong, decisions } = await tellDay(SILENT, (options) => moved.start(options.clock, folder));
    expect(wrong).to.deep.equal([]);
    expect(moved.events).to.deep.equal(["started", "restarted", "swapped"]);
    const found = await replayed(folder, bundlesOf(...moved.contents));
    isWhole(found);
    expect(found.decisions).to.equal(decisions);
    const [first, second] = moved.contents;
    if (first === undefined || second === undefined) throw new Error("there are two bundles");
    const [before, after] = [await replayed(folder, bundlesOf(first)), await replayed(folder, bundlesOf(second))];
    expect(before.identical).to.be.above(20);
    expect(after.identical).to.be.above(20);
    expect(before.identical + after.identical).to.equal(decisions);
    expect(before.missing.map(({ policy }) => policy)).to.deep.equal([second.identity]);
  });

  it("a shop's conversations, the whole of the benchmark", async function () {
    const benchmarks = join(process.env["REMIT_BENCHMARKS"] ?? asset("..", "shared", "benchmarks"), "tau-bench");
    if (!existsSync(benchmarks)) skip(this, "no benchmark data; REMIT_BENCHMARKS names its folder");
    const folder = temporaryDirectory();
    expect(await replayRetail(loadBenchmark(benchmarks), benchmarks, SILENT, keeping(folder))).to.equal(true);
    const found = await replayed(folder, bundlesOf(await shipped("retail")));
    isWhole(found);
    expect(found.decisions).to.be.above(1000);
  });

  for (const name of readdirSync(asset("test", "cases")).filter((file) => file.endsWith(".yaml"))) {
    it(`every golden case of ${name}`, async () => {
      const file = readGolden(asset("test", "cases", name));
      const golden = await Golden.build(file, await compiler());
      try {
        const log = new LogFolder();
        for (const each of file.cases) await golden.decide(each, golden.policy, log);
        const found = await replayed(log.path, bundlesOf(await readUnverified(await readFile(golden.archive))));
        isWhole(found);
        expect(found.decisions).to.equal(file.cases.length);
      } finally {
        golden.close();
      }
    });
  }

  it("what was observed, and what was decided beside it", async () => {
    const bytes = await bundleBytes({ expires: null });
    const service = await run({}, bytes);
    try {
      const at = new Date(system.clock.wall()).toISOString();
      const lines = Array.from({ length: 200 }, (_, i) => {
        const resource = { type: i % 5 === 0 ? "unheard" : "note", id: `n-${i}` };
        return JSON.stringify({ ...REQUEST, agent: i % 7 === 0 ? "nobody" : "a-1", resource, at, outcome: "done" });
      });
      const authorization = `Bearer ${tokenFor("remit:observe")}`;
      const headers = { authorization, "content-type": "application/x-ndjson" };
      const observed = await fetch(`${service.url}/observe`, { method: "POST", headers, body: lines.join("\n") });
      expect(await observed.json()).to.include({ accepted: 200 });
      expect((await post(service, "/decide", REQUEST)).status).to.equal(200);
      await service.stopKeeping();
      const found = await replayed(join(service.folder, "log"), bundlesOf(await readUnverified(bytes)));
      isWhole(found);
      expect(found.decisions).to.equal(201);
    } finally {
      await service.stop();
    }
  });

  it("rules that ran away, which are stopped again", async () => {
    const bundle = await faultsBundle();
    const service = await run({}, bundle);
    const faults = ["endless", undefined, "conflict", "huge", "large", "long"] as const;
    const bundles = new ReplayBundles([await readUnverified(bundle)]);
    try {
      for (const [i, fault] of faults.entries()) {
        expect((await post(service, "/decide", action(`n-${i}`, fault))).status).to.equal(200);
      }
      await service.stopKeeping();
      const found = await replayed(join(service.folder, "log"), bundles);
      isWhole(found);
      expect(found).to.include({ decisions: faults.length, budget_ends: 0 });
    } finally {
      await service.stop();
    }
  });
});

const [RESTART_AT, SWAP_AT] = [15, 30];

/** The service behind one address, which is started anew after some requests, and given another bundle after some more. */
class Moved {
  readonly events: string[] = [];

  private constructor(
    readonly archives: readonly Buffer[],
    readonly contents: readonly BundleContent[],
  ) {}

  /** The support desk's set, and the same with other words. */
  static async build(): Promise<Moved> {
    const folder = mkdtempSync(join(tmpdir(), "remit-replay-"));
    try {
      const dir = join(folder, "customer_support");
      await cp(asset("rego", "policies", "customer_support"), dir, { recursive: true });
      const settled = { key: KEY, expiresMs: null, builtMs: Date.UTC(2027, 0, 1), commit: null, dir };
      const first = await buildBundle(await compiler(), { ...settled, sequence: 1 });
      const purposes = join(dir, "purposes.yaml");
      const text = await readFile(purposes, "utf8");
      const changed = text.replace("a person will see that you asked.", "somebody will see that you asked.");
      expect(changed).not.to.equal(text);
      await writeFile(purposes, changed);
      const second = await buildBundle(await compiler(), { ...settled, sequence: 2 });
      const archives = [first.archive, second.archive];
      return new Moved(archives, await Promise.all(archives.map((archive) => readUnverified(archive))));
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  }

  async start(clock: Clock, records: string): ReturnType<typeof runService> {
    const dir = mkdtempSync(join(tmpdir(), "remit-replay-"));
    writeFileSync(join(dir, "bundle.tar.gz"), this.archives[0] ?? "");
    writeFileSync(join(dir, "bundle.pem"), createPublicKey(KEY).export({ type: "spki", format: "pem" }));
    const bundle = { name: "customer_support", path: "bundle.tar.gz", keys: ["bundle.pem"] };
    const rights = { purposes: ["customer_support"] };
    const sandbox = makeSandbox({ dir, bundle, port: 0, callers: { desk: rights, "tool-gateway": rights }, clock });
    const begin = (): ReturnType<typeof startService> =>
      startService(readConfig(sandbox.config), { ...system, clock }, logger(clock, new PassThrough().resume()));
    let service = await begin();
    this.events.push("started");
    let asked = 0;
    const before = async (): Promise<void> => {
      if (asked === RESTART_AT) {
        await service.stop();
        service = await begin();
        this.events.push("restarted");
      }
      if (asked !== SWAP_AT) return;
      const response = await fetch(`${service.url}/bundles`, {
        method: "POST",
        headers: { authorization: `Bearer ${sandbox.token("publisher", ["remit:publish"])}`, "content-type": "application/gzip" },
        body: new Uint8Array(this.archives[1] ?? Buffer.alloc(0)),
      });
      expect(response.status).to.equal(200);
      this.events.push("swapped");
    };
    // One after the other: nothing is under way when it is stopped.
    let turn = Promise.resolve();
    const server = createServer((incoming, outgoing) => {
      turn = turn.then(async () => {
        const body = await buffer(incoming);
        if (incoming.url === "/decide") {
          asked++;
          await before();
        }
        const { authorization = "" } = incoming.headers;
        const response = await fetch(`${service.url}${incoming.url ?? ""}`, {
          method: incoming.method ?? "GET",
          headers: { authorization, "content-type": "application/json" },
          ...(body.length === 0 ? {} : { body: new Uint8Array(body) }),
        });
        outgoing.writeHead(response.status).end(await response.text());
      });
    }).listen(0, "127.0.0.1");
    await once(server, "listening");
    const at = join(dir, "records");
    return {
      ...service,
      url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
      token: sandbox.token,
      agentToken: sandbox.agentToken,
      records: at,
      recorded: () => decisionsIn(at),
      stop: async () => {
        server.closeAllConnections();
        server.close();
        await service.stop();
        cpSync(at, records, { recursive: true });
        rmSync(dir, { recursive: true, force: true });
      },
    };
  }
}
