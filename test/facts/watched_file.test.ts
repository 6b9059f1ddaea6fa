import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync, symlinkSync, unlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect } from "chai";
import type { Commands } from "../../src/facts/commands.js";
import { WatchedFile } from "../../src/facts/watched_file.js";
import { systemTimers } from "../../src/system/index.js";
import { World } from "./world.js";

const AGENT = "agents: {a-1: {owner: ops, purposes: [support]}}\n";

describe("a watched facts file", () => {
  let folder: string;
  let file: string;
  let world: World;
  let watched: WatchedFile;
  let said: string[];
  let commands: Commands;
  let imported: number;

  beforeEach(async () => {
    folder = mkdtempSync(join(tmpdir(), "remit-watched-"));
    file = join(folder, "facts.yaml");
    world = new World();
    said = [];
    commands = await world.open();
    watched = new WatchedFile(
      file,
      commands,
      {
        imported: ({ created, changed }) => said.push(`${created} new, ${changed} changed`),
        refused: (reason) => said.push(reason.replace(folder, "")),
      },
      10_000,
    );
    expect(watched.isRefused, "nobody has looked").to.equal(false);
    writeFileSync(file, AGENT);
    await watched.look();
    expect([said.splice(0), watched.isRefused]).to.deep.equal([["1 new, 0 changed"], false]);
    imported = world.store.revision;
  });

  afterEach(() => {
    rmSync(folder, { recursive: true });
  });

  it("is imported once, however often it is looked at, and however it is written anew", async () => {
    for (let i = 0; i < 3; i++) {
      await watched.look();
      writeFileSync(file, AGENT);
    }
    writeFileSync(file, `# the same\n${AGENT}`);
    await watched.look();
    expect(said).to.deep.equal([]);
    expect(world.store.revision).to.equal(imported);
  });

  it("is taken again where it says again what it had said before something else", async () => {
    writeFileSync(file, AGENT.replace("ops", "sales"));
    await watched.look();
    writeFileSync(file, AGENT);
    await watched.look();
    expect(said).to.deep.equal(["0 new, 1 changed", "0 new, 1 changed"]);
  });

  it("is imported if it changes as many facts as it adds, and is looked at as often as it is watched", async () => {
    writeFileSync(file, AGENT.replace("}}", "}, a-2: {owner: ops, purposes: [support]}}").replace("ops", "sales"));
    let look = (): void => undefined;
    const stop = watched.watch({ ...systemTimers, every: (_ms, call) => ((look = call), () => undefined) }, 1000);
    look();
    while (said.length === 0) await new Promise(setImmediate);
    stop();
    expect(said).to.deep.equal(["1 new, 1 changed"]);
  });

  const bad: [string, () => void, RegExp][] = [
    [
      "what isn't YAML",
      () => {
        writeFileSync(file, "agents: {");
      },
      /facts\.yaml:/,
    ],
    [
      "an unknown key",
      () => {
        writeFileSync(file, "agents: {a-1: {ownr: x}}");
      },
      /\/agents\/a-1\/ownr/,
    ],
    [
      "a FIFO",
      () => {
        unlinkSync(file);
        execFileSync("mkfifo", [file]);
      },
      /facts\.yaml.* is not a regular file/,
    ],
    [
      "a link to a device without end",
      () => {
        unlinkSync(file);
        symlinkSync("/dev/zero", file);
      },
      /facts\.yaml.* is not a regular file/,
    ],
    [
      "more than an import may have",
      () => {
        writeFileSync(file, " ".repeat(10_001));
      },
      /facts\.yaml.* has more than 10000 bytes/,
    ],
    [
      "no file",
      () => {
        unlinkSync(file);
      },
      /ENOENT/,
    ],
  ];
  for (const [what, spoil, wanted] of bad) {
    it(`is refused for ${what}, said once, and is no longer once its old bytes are back`, async () => {
      spoil();
      await watched.look();
      expect(said).to.have.lengthOf(1);
      await watched.look();
      expect(said.splice(0).map((line) => wanted.test(line))).to.deep.equal([true]);
      expect([watched.isRefused, world.store.revision]).to.deep.equal([true, imported]);
      rmSync(file, { force: true });
      writeFileSync(file, AGENT);
      await watched.look();
      expect([watched.isRefused, said]).to.deep.equal([false, []]);
    });
  }

  it("is refused with its place: file, line and field", async () => {
    writeFileSync(file, "agents:\n  a-1:\n    ownr: x\n");
    await watched.look();
    expect(said.splice(0).join()).to.match(/^\/facts\.yaml:3: \/agents\/a-1\/ownr: \S/);
    writeFileSync(file, "agents: {a-1: {owner: ops, purposes: [nothing]}}\n");
    await watched.look();
    expect(said.splice(0).join()).to.match(/^\/facts\.yaml:1: \/agent\/purposes\/0: \S/);
    // Of a problem that no place in the file has, it names none.
    world.policy = null;
    writeFileSync(file, AGENT.replace("ops", "sales"));
    await watched.look();
    expect(said.join()).to.match(/^\/facts\.yaml: [^/]\S+ /);
  });

  it("is tried again at the next look where what it says can't be recorded now", async () => {
    world.logFails = true;
    writeFileSync(file, AGENT.replace("ops", "sales"));
    await watched.look();
    expect(watched.isRefused).to.equal(true);
    world.logFails = false;
    await world.timers.advance(1000);
    await watched.look();
    expect([watched.isRefused, commands.registry.agent("a-1")?.owner]).to.deep.equal([false, "sales"]);
  });
});
