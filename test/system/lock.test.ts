import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { existsSync, linkSync, mkdirSync, readdirSync, rmSync, statSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { fileURLToPath } from "node:url";
import { expect } from "chai";
import { lock, sharedFileSystem } from "../../src/system/lock.js";
import { Locked, LockUnwritable } from "../../src/system/lock_errors.js";
import { temporaryDirectory } from "../audit/temporary.js";
import { until } from "../store/support.js";

const LOCK = new URL("../../src/system/lock.js", import.meta.url).href;
const CONTENDER = fileURLToPath(new URL("./contender.js", import.meta.url));

describe("a lock", () => {
  const children: ChildProcess[] = [];
  afterEach(() => {
    for (const child of children.splice(0)) child.kill("SIGKILL");
  });

  function place(): string {
    return join(temporaryDirectory(), "lock");
  }

  /** A process that has the lock by the time this resolves. */
  async function holder(path: string): Promise<ChildProcess> {
    const journal = `${path}.journal`;
    const child = spawn(process.execPath, [CONTENDER, path, journal, "x"], { stdio: ["pipe", "ignore", "inherit"] });
    children.push(child);
    await until(() => existsSync(journal));
    return child;
  }

  function refusal(path: string): Locked {
    try {
      lock("it", path)();
    } catch (cause) {
      if (cause instanceof Locked) return cause;
      throw cause;
    }
    throw new Error("the lock was had");
  }

  it("says what can't be locked if its file can't be written, and why", () => {
    const path = join(temporaryDirectory(), "none", "lock");
    expect(() => lock("it", path))
      .to.throw(LockUnwritable, /^it can't be locked: ENOENT/)
      .with.nested.property("cause.code", "ENOENT");
  });

  it("is refused for no other reason while others take and release it all the time", async () => {
    const path = place();
    const taking = `import { lock } from ${JSON.stringify(LOCK)};
      for (;;) try { lock("it", ${JSON.stringify(path)})(); } catch (error) { if (error.holder === undefined) throw error; }`;
    const others = [1, 2].map(() =>
      spawn(process.execPath, ["--input-type=module", "-e", taking], { stdio: ["ignore", "ignore", "pipe"] }),
    );
    children.push(...others);
    const said = others.map((child) => text(child.stderr));
    let taken = 0;
    while (taken < 300)
      try {
        lock("it", path)();
        taken++;
      } catch (error) {
        if (!(error instanceof Locked)) throw error;
      }
    for (const child of others) child.kill("SIGKILL");
    expect(await Promise.all(said)).to.deep.equal(["", ""]);
  });

  it("is refused while another process has it, which is named, and had as soon as that one is killed", async () => {
    const path = place();
    const child = await holder(path);
    const refused = refusal(path);
    expect(refused.message).to.equal(`it is locked by process ${child.pid ?? ""}`);
    expect(refused.holder).to.include({ pid: child.pid });
    child.kill("SIGKILL");
    await once(child, "exit");
    lock("it", path)();
  });

  it("is refused to the process that has it, which goes on to have it", async () => {
    const path = place();
    const unlock = lock("it", path);
    expect(refusal(path).message).to.equal("it is already open in this process");
    // A second descriptor of the file, closed again, would have released it.
    const child = spawn(process.execPath, [CONTENDER, path, `${path}.journal`, "x"], { stdio: ["pipe", "ignore", "ignore"] });
    children.push(child);
    await new Promise((resolve) => setTimeout(resolve, 300));
    expect(existsSync(`${path}.journal`)).to.equal(false);
    unlock();
    await until(() => existsSync(`${path}.journal`));
  });

  it("leaves nothing behind when it is released", () => {
    const path = place();
    lock("it", path)();
    expect(readdirSync(join(path, ".."))).to.deep.equal([]);
  });

  it("isn't released twice: by the second time it may be another's", () => {
    const path = place();
    const unlock = lock("it", path);
    unlock();
    const again = lock("it", path);
    unlock();
    expect(refusal(path).message).to.contain("already open");
    again();
  });

  it("is the folder's, by whichever path that is opened", async () => {
    const path = place();
    await holder(path);
    const linked = join(temporaryDirectory(), "linked");
    symlinkSync(join(path, ".."), linked);
    refusal(join(linked, "lock"));
    const elsewhere = join(temporaryDirectory(), "elsewhere");
    mkdirSync(elsewhere);
    linkSync(`${path}.db`, join(elsewhere, "lock.db"));
    refusal(join(elsewhere, "lock"));
  });

  const left: [what: string, files: Readonly<Record<string, string>>][] = [
    [
      "a PID of a process that lives, as an earlier version wrote it",
      { lock: JSON.stringify({ pid: process.ppid, started: "1", space: "pid:[1]" }) },
    ],
    ["half a line", { lock: "{" }],
    ["both files of a holder that was killed", { lock: '{"pid":1,"host":"gone","space":null}', "lock.db": "" }],
  ];
  for (const [what, files] of left) {
    it(`isn't kept from anyone by ${what}`, () => {
      const folder = temporaryDirectory();
      for (const [name, text] of Object.entries(files)) writeFileSync(join(folder, name), text);
      lock("it", join(folder, "lock"))();
      expect(readdirSync(folder)).to.deep.equal([]);
    });
  }

  it("names nobody if its holder's file is missing or unreadable", async () => {
    const path = place();
    await holder(path);
    for (const text of ["{", null]) {
      if (text === null) rmSync(path);
      else writeFileSync(path, text);
      const { message, holder: found } = refusal(path);
      expect({ message, found }).to.deep.equal({ message: "it is locked by another process", found: null });
    }
  });

  it("can't be had from a file that is no database, and says so", () => {
    const path = place();
    writeFileSync(`${path}.db`, "not a database, and long enough to be looked at\n".repeat(100));
    expect(() => lock("it", path)).to.throw(LockUnwritable, "it can't be locked: file is not a database");
  });

  it("writes nothing to its file, and nothing beside it but its holder: a full disk keeps nobody out", () => {
    const path = place();
    const unlock = lock("it", path);
    expect(statSync(`${path}.db`).size).to.equal(0);
    expect(readdirSync(join(path, "..")).sort()).to.deep.equal(["lock", "lock.db"]);
    unlock();
  });

  it("is refused on file systems that other machines or kernels may mount, and on no local one", () => {
    const shared = { NFS: 0x6969, CIFS: 0xff534d42, FUSE: 0x65735546, "9p": 0x01021997, Ceph: 0x00c36400 };
    for (const [name, type] of Object.entries(shared)) expect(sharedFileSystem(type)).to.equal(name);
    const local = { ext4: 0xef53, xfs: 0x58465342, btrfs: 0x9123683e, tmpfs: 0x01021994, overlay: 0x794c7630, zfs: 0x2fc12fc1 };
    for (const [name, type] of Object.entries(local)) expect(sharedFileSystem(type), name).to.equal(null);
  });
});
