import {
  appendFileSync,
  cpSync,
  existsSync,
  mkdirSync,
  readFileSync,
  readdirSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { dirname, join } from "node:path";
import { expect } from "chai";
import { checkPublished } from "../../../src/audit/publish/check.js";
import { PublishedLog, PublishRefused, type PublishedState } from "../../../src/audit/publish/published_log.js";
import { openCheckpoint, signCheckpoint } from "../../../src/audit/tree/checkpoint.js";
import { EMPTY_ROOT, leafHash } from "../../../src/audit/tree/hash.js";
import { entriesOf, tileCounts, tilePath } from "../../../src/audit/tree/tiles.js";
import { overlap } from "../../../src/system/folder.js";
import { remit } from "../../cli/remit.js";
import { dropped, written } from "../privacy/retention_support.js";
import { temporaryDirectory } from "../temporary.js";
import { LOG_KEY, ORIGIN, signerOf, type Written } from "../tree/written.js";
import { logOf, signAt } from "./support.js";

/** Paths of all files below a folder. */
function filesIn(folder: string): string[] {
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name).slice(folder.length + 1))
    .sort();
}

function refusalOf(run: () => unknown): string {
  try {
    run();
  } catch (cause) {
    if (cause instanceof PublishRefused) return `${cause.code}: ${cause.message}`;
    throw cause;
  }
  return "nothing was refused";
}

const disagreements = (log: string, folder: string): string[] => checkPublished(log, folder).damage.map(({ message }) => message);

/** Every file that a reader of the published checkpoint may need is there, and every record in it is the one that was signed. */
function expectWhole(log: Written, folder: string, from = 1): void {
  const { size } = openCheckpoint(readFileSync(join(folder, "checkpoint")), [LOG_KEY.verifier]);
  for (const [level, { full, partial }] of tileCounts(size).entries()) {
    const tiles = [...Array.from({ length: full }, (_, n) => ({ n, width: 256 })), ...(partial > 0 ? [{ n: full, width: partial }] : [])];
    for (const { n, width } of tiles) {
      expect(statSync(join(folder, tilePath({ level, n, width }))).size, `level ${level}, tile ${n}`).to.equal(32 * width);
      if (level > 0 || n * 256 + 1 < from) continue;
      const entries = entriesOf(readFileSync(join(folder, tilePath({ level: null, n, width }))));
      expect(entries.map((entry) => leafHash(entry))).to.deep.equal(log.leaves.slice(n * 256, n * 256 + width));
    }
  }
  expect(disagreements(log.folder, folder)).to.deep.equal([]);
}

describe("a log that is published as static files", () => {
  const scratch = temporaryDirectory();
  let n = 0;
  const fresh = (): string => join(scratch, String(++n));

  it("has the checkpoint, every tile and every record that the checkpoint covers, and nothing else of the log's folder", () => {
    const log = logOf(fresh(), 700, { beside_every: 30 });
    mkdirSync(join(log.folder, "masks"));
    for (const secret of ["key.pem", "masks/2026-01-02.key", "lock.db"]) writeFileSync(join(log.folder, secret), "secret");
    const folder = fresh();
    expect(new PublishedLog(log.folder, folder).publish()).to.deep.equal({ size: 700, from: 1 } satisfies PublishedState);
    expectWhole(log, folder);
    expect(filesIn(folder)).to.deep.equal(
      [
        "checkpoint",
        ...["0/000", "0/001", "0/002.p/188", "1/000.p/2", "entries/000", "entries/001", "entries/002.p/188"].map((tile) => `tile/${tile}`),
      ].sort(),
    );
    expect(statSync(join(folder, "checkpoint")).mode & 0o777).to.equal(0o640);
  });

  it("grows with the log, whatever the checkpoints' sizes, and in a new process as in the same", () => {
    const log = logOf(fresh(), 1100);
    const folder = fresh();
    let published = new PublishedLog(log.folder, folder);
    for (const [i, size] of [0, 1, 255, 256, 257, 512, 700, 701, 1100].entries()) {
      signAt(log, size);
      if (i % 3 === 2) published = new PublishedLog(log.folder, folder);
      expect(published.publish().size).to.equal(size);
      expectWhole(log, folder);
    }
  });

  it("keeps partial tiles for readers of earlier checkpoints until the full tile is there", () => {
    const log = logOf(fresh(), 300);
    const folder = fresh();
    const published = new PublishedLog(log.folder, folder);
    const partial = (width: number): boolean[] => [0, null].map((level) => existsSync(join(folder, tilePath({ level, n: 0, width }))));
    for (const size of [10, 20]) {
      signAt(log, size);
      published.publish();
    }
    expect([...partial(10), ...partial(20)]).to.deep.equal([true, true, true, true]);
    signAt(log, 300);
    published.publish();
    expect([...partial(10), ...partial(20), ...partial(256)]).to.deep.equal([false, false, false, false, true, true]);
  });

  it("publishes nothing of a record that isn't what was signed, and leaves what is published as it was", () => {
    for (const [where, at] of [
      ["in a full tile", 100],
      ["behind the last full tile", 530],
    ] as const) {
      const log = logOf(fresh(), 600, { text: (seq, usual) => (seq === at ? usual.replace("bob", "eve") : usual) });
      const good = logOf(fresh(), 600);
      // Somebody altered a record: the tiles and the checkpoint are those of the good log.
      cpSync(join(good.folder, "tile"), join(log.folder, "tile"), { recursive: true });
      cpSync(join(good.folder, "checkpoint"), join(log.folder, "checkpoint"));
      const folder = fresh();
      expect(
        refusalOf(() => new PublishedLog(log.folder, folder).publish()),
        where,
      ).to.match(/^log_damaged: .*`remit audit verify/);
      expect(existsSync(join(folder, "checkpoint")), where).to.be.false;
      const bundle = join(folder, tilePath({ level: null, n: Math.floor(at / 256), width: 256 }));
      expect(existsSync(bundle) && readFileSync(bundle).includes("eve"), where).to.be.false;
    }
  });

  it("publishes nothing that a tile or a checkpoint makes of good records, if it was altered", () => {
    const flip = (file: string): void => {
      const bytes = readFileSync(file);
      bytes[7] = (bytes[7] ?? 0) ^ 1;
      writeFileSync(file, bytes);
    };
    for (const damage of [
      (log: Written) => {
        flip(join(log.folder, "tile/0/001"));
      },
      (log: Written) => {
        writeFileSync(join(log.folder, "checkpoint"), signCheckpoint({ origin: ORIGIN, size: 599, root: EMPTY_ROOT }, [LOG_KEY]));
      },
      (log: Written) => {
        appendFileSync(join(log.folder, "0000000000000001.jsonl"), "\0\n{}\n");
        rmSync(join(log.folder, "tile"), { recursive: true });
      },
    ]) {
      const log = logOf(fresh(), 600);
      damage(log);
      const folder = fresh();
      expect(refusalOf(() => new PublishedLog(log.folder, folder).publish())).to.match(/^log_damaged: /);
      expect(existsSync(join(folder, "checkpoint"))).to.be.false;
    }
  });

  it("goes on once the records are good again, in the same process", () => {
    const log = logOf(fresh(), 600);
    const folder = fresh();
    const segment = join(log.folder, "0000000000000501.jsonl");
    const good = readFileSync(segment, "utf8");
    const published = new PublishedLog(log.folder, folder);
    signAt(log, 520);
    published.publish();
    signAt(log, 600);
    writeFileSync(segment, good.replaceAll("bob", "eve"));
    expect(refusalOf(() => published.publish())).to.match(/^log_damaged/);
    writeFileSync(segment, good);
    expect(published.publish().size).to.equal(600);
    expectWhole(log, folder);
  });

  it("refuses a folder that has another log, another history, more records, or no checkpoint in its place", () => {
    const log = logOf(fresh(), 300);
    const other = logOf(fresh(), 300, { text: (seq, usual) => (seq === 100 ? usual.replace("bob", "eve") : usual) });
    const tell = (prepare: (folder: string) => void): string => {
      const folder = fresh();
      mkdirSync(folder);
      prepare(folder);
      return refusalOf(() => new PublishedLog(log.folder, folder).publish());
    };
    const put = (note: string) => (folder: string) => {
      writeFileSync(join(folder, "checkpoint"), note);
    };
    const foreign = signCheckpoint({ origin: "other.example/log", size: 3, root: EMPTY_ROOT }, [signerOf("x", "other.example/log")]);
    expect(tell(put(foreign))).to.match(/^folder_refused: .* has log `other.example\/log`/);
    expect(tell(put(other.checkpointAt(200)))).to.match(/^folder_refused: .* has another history of this log in its 200 records/);
    expect(tell(put(logOf(fresh(), 400).checkpointAt(400)))).to.match(/^folder_refused: .* has 400 records of this log, which has 300/);
    for (const garbage of ["", "\0", "log\n-1\nx\n", "a".repeat(2_000_000)])
      expect(tell(put(garbage)), garbage.slice(0, 8)).to.match(/^folder_refused: .* is no checkpoint/);
    expect(
      tell((folder) => {
        mkdirSync(join(folder, "checkpoint"));
      }),
    ).to.match(/^folder_refused: .* is no checkpoint/);
  });

  it("writes no file that a link in the folder leads to, whoever laid it there", () => {
    const log = logOf(fresh(), 300);
    const folder = fresh();
    const kept = fresh();
    writeFileSync(kept, "a file of the service's user");
    mkdirSync(join(folder, "tile", "0"), { recursive: true });
    for (const path of ["checkpoint.new", "checkpoint", "tile/0/000.new", "tile/0/000"])
      if (path !== "checkpoint") symlinkSync(kept, join(folder, path));
    new PublishedLog(log.folder, folder).publish();
    expect(readFileSync(kept, "utf8")).to.equal("a file of the service's user");
    expectWhole(log, folder);
  });

  it("refuses a folder within the log's, or around it, where a web server would serve the log's keys", () => {
    const log = logOf(fresh(), 3);
    for (const folder of [log.folder, `${log.folder}/`, join(log.folder, "public"), dirname(log.folder), "/", `${log.folder}/../${n}`])
      expect(
        refusalOf(() => new PublishedLog(log.folder, folder)),
        folder,
      ).to.match(/^folder_refused/);
    expect(overlap("/a/log", "/a/log-public")).to.be.false;
    expect(overlap("/a/log", "/a/..log")).to.be.false;
    expect(overlap("/a", "/a/..log")).to.be.true;
  });

  it("removes the records that retention drops, and keeps the hashes that prove the others", async () => {
    const log = written({ records: 1000 });
    const folder = fresh();
    const published = new PublishedLog(log.folder, folder);
    published.publish();
    expect(existsSync(join(folder, "tile/entries/001"))).to.be.true;
    await dropped(log, { seq: 601 });
    expect(disagreements(log.folder, folder)).to.have.length(3);
    expect(published.publish()).to.deep.equal({ size: 1000, from: 769 });
    expect(readdirSync(join(folder, "tile/entries")).sort()).to.deep.equal(["003.p"]);
    expect(readdirSync(join(folder, "tile/0")).sort()).to.deep.equal(["000", "001", "002", "003.p"]);
    expectWhole(log, folder, 769);
    const text = filesIn(folder).map((file) => readFileSync(join(folder, file), "latin1"));
    expect(text.some((bytes) => bytes.includes('"id":"I-600"'))).to.be.false;
    // A folder that is begun only now has the same.
    const late = fresh();
    expect(new PublishedLog(log.folder, late).publish().from).to.equal(769);
    expect(filesIn(late)).to.deep.equal(filesIn(folder));
  });

  describe("and the commands", () => {
    const KEY = ["--key", LOG_KEY.verifier.vkey, "--no-index"];

    it("publishes, and verifies what is published with the log", async () => {
      const log = logOf(fresh(), 600);
      const folder = fresh();
      const made = await remit("audit", "publish", log.folder, "--out", folder);
      expect(made.exit, made.err).to.equal("ok");
      expect(made.out).to.equal(`published  records 1 to 600 in ${folder}\n`);
      const verified = await remit("audit", "verify", log.folder, ...KEY, "--published", folder);
      expect(verified.exit, verified.err).to.equal("ok");
      expect(verified.err).to.include(`published in \`${folder}\`: 600 records, compared file by file`);
    });

    for (const [what, damage, says] of [
      [
        "a record of it is another",
        (folder: string) => {
          alter(join(folder, "tile/entries/001"));
        },
        /`.*tile\/entries\/001` is another/,
      ],
      [
        "a tile of hashes is another",
        (folder: string) => {
          alter(join(folder, "tile/1/000.p/2"));
        },
        /`.*tile\/1\/000.p\/2` is another/,
      ],
      [
        "a tile is missing",
        (folder: string) => {
          rmSync(join(folder, "tile/0/000"));
        },
        /`.*tile\/0\/000` is not there/,
      ],
      [
        "records are missing",
        (folder: string) => {
          rmSync(join(folder, "tile/entries"), { recursive: true });
        },
        /entries\/000` is not there/,
      ],
      [
        "the checkpoint is garbage",
        (folder: string) => {
          writeFileSync(join(folder, "checkpoint"), "x");
        },
        /is no checkpoint/,
      ],
    ] as const)
      // prettier-ignore
      it(`says that ${what}, and that the records are as they were`, async () => {
        const log = logOf(fresh(), 600);
        const folder = fresh();
        new PublishedLog(log.folder, folder).publish();
        damage(folder);
        const { exit, out } = await remit("audit", "verify", log.folder, ...KEY, "--published", folder);
        expect(exit).to.equal("invalid");
        expect(out).to.match(/^published_disagrees/).and.match(says);
        expect(out).to.match(/the records are as they were; what was made from them isn't\n$/);
      });

    it("names a folder that isn't there, and one that can't be published", async () => {
      const log = logOf(fresh(), 3);
      expect((await remit("audit", "publish", fresh(), "--out", fresh())).err).to.include("there is no log in");
      expect((await remit("audit", "publish", log.folder, "--out", log.folder)).err).to.include("overlap");
      expect((await remit("audit", "verify", log.folder, "--published", fresh())).err).to.include("is not a folder");
      const empty = fresh();
      mkdirSync(empty);
      expect((await remit("audit", "verify", log.folder, ...KEY, "--published", empty)).err).to.include("nothing is published in");
    });
  });
});

function alter(file: string): void {
  const bytes = readFileSync(file);
  bytes[20] = (bytes[20] ?? 0) ^ 1;
  writeFileSync(file, bytes);
}
