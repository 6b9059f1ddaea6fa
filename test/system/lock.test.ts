import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { existsSync, readFileSync, readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect } from "chai";
import { LockUnwritable, Locked, holderOf, lock } from "../../src/system/lock.js";
import { temporaryDirectory } from "../audit/temporary.js";
import { skip } from "../skip.js";

const ANOTHER_SPACE = "pid:[1]";

describe("a lock", () => {
  const children: ChildProcess[] = [];
  afterEach(() => {
    for (const child of children.splice(0)) child.kill("SIGKILL");
  });

  function place(): string {
    return join(temporaryDirectory(), "lock");
  }

  function living(): ChildProcess & { pid: number } {
    const child = spawn(process.execPath, ["-e", "setInterval(() => 0, 1000)"], { stdio: "ignore" });
    children.push(child);
    return child as ChildProcess & { pid: number };
  }

  async function dead(): Promise<number> {
    const child = living();
    child.kill("SIGKILL");
    await once(child, "exit");
    return child.pid;
  }

  function put(path: string, pid: number, more: object = {}): void {
    writeFileSync(path, JSON.stringify({ pid, started: null, space: null, ...more }));
  }

  it("says what can't be locked where its file can't be written, and why", () => {
    const path = join(temporaryDirectory(), "none", "lock");
    expect(() => lock("it", path))
      .to.throw(LockUnwritable, /^it can't be locked: ENOENT/)
      .with.nested.property("cause.code", "ENOENT");
  });

  it("is had by whom it names, as long as that one lives", async () => {
    const path = place();
    expect(holderOf(path)).to.equal(null);
    const { pid } = living();
    put(path, pid);
    expect(holderOf(path)).to.deep.equal({ pid, lock: path, visible: true });
    put(path, await dead());
    expect(holderOf(path)).to.equal(null);
    put(path, process.pid);
    expect(holderOf(path), "an earlier process with our number").to.equal(null);
    put(path, pid, { started: "1" });
    expect(holderOf(path), "another process with the number").to.equal(null);
  });

  it("may be had by whom it names, where that one can't be looked for", async function () {
    if (!existsSync("/proc/self/ns/pid")) skip(this, "no /proc");
    const path = place();
    const pid = await dead();
    put(path, pid, { space: ANOTHER_SPACE });
    expect(holderOf(path)).to.deep.equal({ pid, lock: path, visible: false });
  });

  it("says in which space its holder is numbered", function () {
    if (!existsSync("/proc/self/ns/pid")) skip(this, "no /proc");
    const path = place();
    const unlock = lock("it", path);
    expect(JSON.parse(readFileSync(path, "utf8")))
      .to.have.property("space")
      .that.matches(/^pid:/);
    unlock();
  });

  it("is no longer had by a process that has ended and that nobody has asked how", async function () {
    if (!existsSync("/proc/self/stat")) skip(this, "no /proc");
    // The shell becomes a program that doesn't ask after the children that it never had.
    const parent = spawn("sh", ["-c", "sleep 0.2 & echo $!; exec sleep 60"], { stdio: ["ignore", "pipe", "ignore"] });
    children.push(parent);
    const [said] = (await once(parent.stdout, "data")) as [Buffer];
    const pid = Number(said.toString());
    const state = (): string => readFileSync(`/proc/${pid}/stat`, "utf8").split(") ")[1]?.slice(0, 1) ?? "";
    while (state() !== "Z") await new Promise((resolve) => setTimeout(resolve, 5));
    const path = place();
    put(path, pid);
    expect(holderOf(path)).to.equal(null);
    lock("it", path)();
  });

  it("of a dead process is removed by one at a time", async () => {
    const path = place();
    put(path, await dead());
    const remover = living();
    put(`${path}.evict`, remover.pid);
    const before = readFileSync(path, "utf8");
    expect(() => lock("it", path)).to.throw(Locked, `it is locked by process ${remover.pid}`);
    expect(readFileSync(path, "utf8")).to.equal(before);
    remover.kill("SIGKILL");
    await once(remover, "exit");
    const unlock = lock("it", path);
    expect(readdirSync(join(path, ".."))).to.deep.equal(["lock"]);
    unlock();
    expect(readdirSync(join(path, ".."))).to.deep.equal([]);
  });

  it("isn't released twice: by the second time it may be another's", () => {
    const path = place();
    const unlock = lock("it", path);
    unlock();
    const again = lock("it", path);
    unlock();
    expect(() => lock("it", path)).to.throw(Locked);
    again();
  });
});
