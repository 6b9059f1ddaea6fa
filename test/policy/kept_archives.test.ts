import { mkdtemp, readdir, rm, utimes, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect } from "chai";
import { KeptArchives } from "../../src/policy/kept_archives.js";

const digest = (n: number): string => `sha256:${String(n).padStart(64, "0")}`;
const bytes = (n: number): Uint8Array => Buffer.from(`archive ${n}`);

describe("archives of bundles that were active", () => {
  let state_dir = "";
  beforeEach(async () => (state_dir = await mkdtemp(join(tmpdir(), "remit-kept-"))));
  afterEach(() => rm(state_dir, { recursive: true, force: true }));

  const open = (max: number, bytes_max = 1024): KeptArchives => new KeptArchives({ state_dir, max, bytes_max });
  const age = (n: number): Promise<void> => utimes(join(state_dir, "active", `${digest(n).slice(7)}.tar.gz`), n, n);

  it("are the last that were active, those that came back among them", async () => {
    const kept = open(3);
    for (const n of [1, 2, 3]) {
      await kept.keep(digest(n), bytes(n));
      await age(n);
    }
    await kept.keep(digest(1), bytes(1));
    await kept.keep(digest(4), bytes(4));
    const found = await Promise.all([1, 2, 3, 4].map((n) => kept.find(digest(n))));
    expect(found.map((one) => one?.toString() ?? null)).to.deep.equal(["archive 1", null, "archive 3", "archive 4"]);
    expect(await open(3).find(digest(4))).to.deep.equal(bytes(4));
  });

  it("are none where none is kept", async () => {
    await open(0).keep(digest(1), bytes(1));
    expect(await open(0).find(digest(1))).to.equal(null);
    expect(await readdir(state_dir)).to.deep.equal([]);
  });

  for (const name of [
    "",
    "sha256:",
    "sha256:../../../etc/passwd",
    `md5:${"0".repeat(64)}`,
    `${digest(1)}\n`,
    digest(1).toUpperCase(),
    `${digest(1)}/..`,
  ])
    it(`aren't found by ${JSON.stringify(name)}, and nothing is written under it`, async () => {
      await writeFile(join(state_dir, "passwd"), "secret");
      await open(2).keep(name, bytes(1));
      expect(await open(2).find(name)).to.equal(null);
      expect(await readdir(state_dir)).to.deep.equal(["passwd"]);
    });

  it("leave files alone that aren't theirs, and refuse one that has grown too large", async () => {
    const kept = open(1, 16);
    await kept.keep(digest(1), bytes(1));
    await writeFile(join(state_dir, "active", "notes.txt"), "mine");
    await kept.keep(digest(2), bytes(2));
    expect((await readdir(join(state_dir, "active"))).sort()).to.deep.equal([`${digest(2).slice(7)}.tar.gz`, "notes.txt"]);
    await writeFile(join(state_dir, "active", `${digest(2).slice(7)}.tar.gz`), "x".repeat(17));
    let failed: unknown = null;
    await kept.find(digest(2)).catch((cause: unknown) => (failed = cause));
    expect(failed).to.be.instanceOf(Error);
  });
});
