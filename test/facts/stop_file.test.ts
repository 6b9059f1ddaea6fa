import { execFileSync } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync, statSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect } from "chai";
import { STOP_FILE, readStop, watchStop, writeStop, type Stop } from "../../src/facts/stop_file.js";
import { systemTimers } from "../../src/system/index.js";
import { skip } from "../skip.js";
import { turns } from "./world.js";

const STOP: Stop = { reason: "incident 12", by: "file:root" };

describe("the stop file", () => {
  let folder: string;
  let file: string;
  /** What is called each time; undefined while nobody watches. */
  let looking: (() => void) | undefined;
  /** What a service was told, and what it makes of it. */
  let told: Stop[];
  let failures: string[];
  let durable: () => Promise<boolean>;
  const watch = (where = folder): Promise<() => void> => {
    // A look that is under way when a test ends tells the next one nothing.
    const [toldHere, failuresHere] = [told, failures];
    return watchStop(where, timers, {
      stop: (stop) => (toldHere.push(stop), durable()),
      failed: (detail) => failuresHere.push(detail),
    });
  };
  const timers = {
    ...systemTimers,
    every(_ms: number, call: () => void) {
      looking = call;
      return () => (looking = undefined);
    },
  };
  const look = (): void => looking?.();

  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), "remit-stop-file-"));
    file = join(folder, STOP_FILE);
    looking = undefined;
    [told, failures] = [[], []];
    durable = () => Promise.resolve(true);
  });
  afterEach(() => {
    rmSync(folder, { recursive: true, force: true });
  });

  it("is read as it was written, by whoever may look into the folder, and leaves nothing beside it", async () => {
    expect(await readStop(folder)).to.equal(null);
    expect(writeStop(folder, STOP)).to.be.true;
    expect(await readStop(folder)).to.deep.equal(STOP);
    expect(writeStop(folder, { ...STOP, reason: "another" })).to.be.true;
    expect(await readStop(folder)).to.include({ reason: "another" });
    expect(readdirSync(folder)).to.deep.equal([STOP_FILE]);
    expect(statSync(file).mode & 0o444).to.equal(0o444);
  });

  it("is there if something that can't be replaced is, and leaves nothing beside that", async () => {
    mkdirSync(file);
    expect(writeStop(folder, STOP)).to.be.true;
    expect([readdirSync(folder), await readStop(folder)]).to.deep.equal([[STOP_FILE], { reason: "stop.json is there", by: "file" }]);
  });

  it("is not written where there is no folder", () => {
    expect(() => writeStop(join(folder, "none"), STOP)).to.throw(/ENOENT/);
  });

  // What is written goes to a device that fails as a disk does.
  for (const [what, device] of [
    ["is full", "/dev/full"],
    ["fails", "/proc/self/mem"],
  ] as const)
    it(`is there without its text on a disk that ${what}, and counts`, async function () {
      if (!existsSync(device)) skip(this, `no ${device}`);
      symlinkSync(device, `${file}.${process.pid}.partial`);
      expect(writeStop(folder, STOP)).to.equal(false);
      expect([readdirSync(folder), readFileSync(file, "utf8")]).to.deep.equal([[STOP_FILE], ""]);
      expect(await readStop(folder)).to.deep.equal({ reason: "stop.json is there", by: "file" });
    });

  it("is neither there nor called written after any other failure", () => {
    symlinkSync(join(folder, "none", "file"), `${file}.${process.pid}.partial`);
    expect(() => writeStop(folder, STOP)).to.throw(/ENOENT/);
    expect(readdirSync(folder)).to.deep.equal([]);
  });

  it("holds no file open once it is written", function () {
    if (!existsSync("/proc/self/fd")) skip(this, "no /proc/self/fd");
    const open = (): number => readdirSync("/proc/self/fd").length;
    writeStop(folder, STOP);
    const before = open();
    for (let i = 0; i < 64; i++) writeStop(folder, STOP);
    expect(open()).to.be.below(before + 64);
  });

  const unsaid: [what: string, make: (path: string) => void][] = [
    [
      "is empty",
      (path) => {
        writeFileSync(path, "");
      },
    ],
    [
      "is half written",
      (path) => {
        writeFileSync(path, '{"reason":"inc');
      },
    ],
    [
      "has no reason",
      (path) => {
        writeFileSync(path, '{"by":"x"}');
      },
    ],
    [
      "says more than it should",
      (path) => {
        writeFileSync(path, '{"reason":"x","by":"y","until":"z"}');
      },
    ],
    [
      "is a list",
      (path) => {
        writeFileSync(path, "[]");
      },
    ],
    [
      "is a folder",
      (path) => {
        mkdirSync(path);
      },
    ],
    [
      "has a reason longer than any",
      (path) => {
        writeFileSync(path, JSON.stringify({ ...STOP, reason: "x".repeat(513) }));
      },
    ],
  ];
  for (const [what, make] of unsaid) {
    it(`counts where it ${what}`, async () => {
      make(file);
      expect(await readStop(folder)).to.deep.equal({ reason: "stop.json is there", by: "file" });
    });
  }

  it("is no stop where it can't be told whether it is there", async () => {
    writeFileSync(join(folder, "plain"), "");
    let failure = "";
    await readStop(join(folder, "plain")).catch((cause: unknown) => (failure = String(cause)));
    expect(failure).to.match(/ENOTDIR/);
  });

  it("isn't taken for one by a process that has no file descriptor left", () => {
    const script = `
      const { openSync } = require("node:fs");
      import(${JSON.stringify(new URL("../../src/facts/stop_file.js", import.meta.url).href)}).then(async ({ readStop }) => {
        await readStop(${JSON.stringify(folder)});
        try { for (;;) openSync("/dev/null"); } catch {}
        console.log(JSON.stringify(await readStop(${JSON.stringify(folder)})));
      });`;
    const run = (): string => execFileSync("sh", ["-c", 'ulimit -n 64; exec "$0" -e "$1"', process.execPath, script]).toString().trim();
    expect(run()).to.equal("null");
    writeStop(folder, STOP);
    expect(JSON.parse(run())).to.include({ by: "file" });
  });

  it("is looked for before the watching begins, and then each time", async () => {
    writeStop(folder, STOP);
    const stop = await watch();
    expect(told).to.deep.equal([STOP]);
    await until(() => !existsSync(file));
    look();
    await turns(50);
    expect(told).to.have.lengthOf(1);
    writeStop(folder, { ...STOP, reason: "again" });
    // A look that is still going on lets the next one pass.
    await until(() => (look(), !existsSync(file)));
    expect(told.map(({ reason }) => reason)).to.deep.equal(["incident 12", "again"]);
    stop();
    expect(looking).to.equal(undefined);
  });

  it("holds as soon as it is seen, durable or not, and stays until it is durable", async () => {
    let finish: (durable: boolean) => void = () => undefined;
    durable = () => new Promise((resolve) => (finish = resolve));
    writeStop(folder, STOP);
    await watch();
    expect(told).to.have.lengthOf(1);
    // One at a time: the first hasn't been answered yet.
    look();
    await turns(50);
    expect(told).to.have.lengthOf(1);
    finish(false);
    await until(() => (look(), told.length === 2));
    expect(existsSync(file)).to.be.true;
    finish(true);
    await until(() => !existsSync(file));
  });

  it("is looked for again after what failed, and that is said once until it works again", async () => {
    const fails = (): Promise<boolean> => Promise.reject(new Error("the store fails"));
    durable = fails;
    writeStop(folder, STOP);
    await watch();
    await until(() => (look(), told.length >= 4));
    expect(failures).to.deep.equal(["the store fails"]);
    durable = () => Promise.resolve(true);
    await until(() => (look(), !existsSync(file)));
    expect(failures).to.have.lengthOf(1);
    durable = fails;
    writeStop(folder, STOP);
    await until(() => (look(), told.length >= 8));
    expect(failures).to.have.lengthOf(2);
  });

  it("may be gone by the time that its work is done", async () => {
    durable = () => (rmSync(file, { force: true }), Promise.resolve(true));
    await watch();
    await until(() => {
      if (!existsSync(file)) writeStop(folder, STOP);
      look();
      return told.length >= 3;
    });
    expect(failures).to.deep.equal([]);
  });
});

async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await new Promise((resolve) => setTimeout(resolve, 5));
}
