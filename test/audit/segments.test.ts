import { crc32 } from "node:zlib";
import { expect } from "chai";
import { LogDamaged, Segments, TORN_BYTES_MAX } from "../../src/audit/log/segments.js";
import { ModelDisk, type Fault } from "./disk.js";

const record = (seq: number): string => `{"seq":${seq},"text":"${"x".repeat(seq % 40)} \u{1f600}"}\n`;
const records = (from: number, to: number): string => Array.from({ length: to - from + 1 }, (_, i) => record(from + i)).join("");

const crc = (digits: string): string => crc32(digits).toString(16).padStart(8, "0");

function opened(disk: ModelDisk, segmentBytes = 1000): Segments {
  const segments = new Segments(disk, segmentBytes);
  segments.open();
  return segments;
}

describe("the log's segments", () => {
  it("begin at record 1 in an empty directory", () => {
    const disk = new ModelDisk();
    const segments = opened(disk);
    expect(segments.seq).to.equal(0);
    segments.append(Buffer.from(records(1, 3)), 3);
    expect(disk.list()).to.deep.equal(["0000000000000001.jsonl", "durable.mark"]);
    expect(disk.text()).to.equal(records(1, 3));
  });

  it("take one sync a group, however many records it has", () => {
    const disk = new ModelDisk();
    const segments = opened(disk, 100_000);
    const before = disk.syncs;
    segments.append(Buffer.from(records(1, 500)), 500);
    expect(disk.syncs - before).to.equal(1);
  });

  it("write on where the disk takes only part of a group at once", () => {
    const disk = new ModelDisk();
    disk.shortWrites = true;
    opened(disk).append(Buffer.from(records(1, 9)), 9);
    expect(disk.text()).to.equal(records(1, 9));
  });

  it("go on in a new segment, named by its first record, once one is full", () => {
    const disk = new ModelDisk();
    let segments = opened(disk, 200);
    for (let seq = 1; seq <= 30; seq++) segments.append(Buffer.from(record(seq)), seq);
    expect(disk.list().length).to.be.greaterThan(3);
    segments = opened(disk, 200);
    expect(segments.seq).to.equal(30);
    segments.append(Buffer.from(record(31)), 31);
    expect(disk.text()).to.equal(records(1, 31));
  });

  it("go on in a new one once a segment has as many records as it may, however small, before and after a start", () => {
    const disk = new ModelDisk();
    for (let seq = 1; seq <= 25; seq++) {
      const segments = new Segments(disk, 100_000, 10);
      segments.open();
      segments.append(Buffer.from(record(seq)), seq);
      if (seq % 2 === 0) segments.append(Buffer.from(record(++seq)), seq);
      segments.close();
    }
    const names = disk.list().filter((name) => name.endsWith(".jsonl"));
    expect(names).to.deep.equal(["0000000000000001.jsonl", "0000000000000011.jsonl", "0000000000000021.jsonl"]);
    expect(disk.text()).to.equal(records(1, 25));
  });

  const HOLE = Buffer.alloc(512);
  const tails: [what: string, tail: string | Buffer, records: number][] = [
    ["half a record", '{"seq":4,"te', 0],
    ["a whole record without its newline", '{"seq":4,"text":""}', 1],
    ["zeros", Buffer.alloc(64 * 1024), 0],
    [
      "a sector that is missing, then whole records of its group",
      Buffer.concat([Buffer.from('{"seq":4,'), HOLE, Buffer.from(`\n${records(5, 7)}`)]),
      3,
    ],
    ["zeros, then a whole record", Buffer.concat([Buffer.alloc(4096), Buffer.from("\n" + record(4))]), 1],
  ];
  for (const [what, tail, whole] of tails) {
    it(`cut a torn tail, and keep it in a file beside: ${what}`, () => {
      const disk = new ModelDisk();
      disk.put(1, Buffer.concat([Buffer.from(records(1, 3)), Buffer.from(tail)]));
      const segments = new Segments(disk, 1000);
      const file = "0000000000000001.cut-1";
      expect(segments.open()).to.deep.equal({ seq: 3, cut: { bytes: Buffer.from(tail).length, records: whole, file } });
      segments.append(Buffer.from(record(4)), 4);
      disk.crash();
      expect(disk.text()).to.equal(records(1, 4));
      expect(disk.read(file).equals(Buffer.from(tail))).to.equal(true);
    });
  }

  it("keep each torn tail of a segment in a file of its own", () => {
    const disk = new ModelDisk();
    for (const [n, tail] of ['{"seq":4', '{"seq":4,"text'].entries()) {
      disk.put(1, records(1, 3) + tail);
      expect(new Segments(disk, 1000).open().cut?.file).to.equal(`0000000000000001.cut-${n + 1}`);
    }
    expect(disk.read("0000000000000001.cut-1").toString()).to.equal('{"seq":4');
  });

  it("cut nothing before what is cut is kept", () => {
    const disk = new ModelDisk();
    disk.put(1, `${records(1, 3)}{"se`);
    disk.fault = { at: 1, operation: "replace", after: false, code: "ENOSPC" };
    expect(() => new Segments(disk, 1000).open()).to.throw("ENOSPC");
    expect(disk.text()).to.equal(`${records(1, 3)}{"se`);
  });

  it("cut what follows the last record that was said to be durable", () => {
    for (const segmentBytes of [100, 100_000]) {
      const disk = new ModelDisk();
      const first = opened(disk, segmentBytes);
      first.append(Buffer.from(records(1, 5)), 5);
      first.append(Buffer.from(records(6, 9)), 9);
      const second = new Segments(disk, segmentBytes);
      expect(second.open(5))
        .to.deep.include({ seq: 5 })
        .and.have.nested.include({ "cut.bytes": Buffer.byteLength(records(6, 9)), "cut.records": 4 });
      disk.crash();
      const third = new Segments(disk, segmentBytes);
      expect(third.open()).to.deep.equal({ seq: 5, cut: null });
      third.append(Buffer.from(record(6)), 6);
      expect(disk.text()).to.equal(records(1, 6));
    }
  });

  it("refuse files that lack what was said to be durable", () => {
    const disk = new ModelDisk();
    disk.put(1, records(1, 3));
    expect(() => new Segments(disk, 1000).open(4)).to.throw(LogDamaged, "ends at record 3, and 4 was synced");
  });

  describe("remember what was answered for", () => {
    /** Nine records in three groups, the last of which is damaged as a torn one is. */
    function torn(marked: (disk: ModelDisk) => void = () => undefined): ModelDisk {
      const disk = new ModelDisk();
      const segments = opened(disk, 100_000);
      for (const [from, to] of [
        [1, 3],
        [4, 6],
        [7, 9],
      ] as const)
        segments.append(Buffer.from(records(from, to)), to);
      segments.close();
      const whole = Buffer.from(disk.text());
      disk.put(1, Buffer.concat([Buffer.from(`${records(1, 7)}{"se`), HOLE, whole.subarray(Buffer.from(records(1, 8)).length - 1)]));
      marked(disk);
      return disk;
    }
    const write = (disk: ModelDisk, text: string): void => {
      disk.replace("durable.mark", Buffer.from(text));
    };

    it("and refuse to cut it, whatever damage it has", () => {
      const disk = torn();
      const before = disk.text();
      expect(() => new Segments(disk, 100_000).open()).to.throw(LogDamaged, "ends at record 7, and 9 was synced");
      expect(disk.text()).to.equal(before);
    });

    const LESS: [what: string, mark: (disk: ModelDisk) => void][] = [
      [
        "is of an earlier group, as a power cut leaves it",
        (disk) => {
          write(disk, `0000000000000006 ${crc("0000000000000006")}\n`);
        },
      ],
      [
        "has another sum",
        (disk) => {
          write(disk, "0000000000000009 00000000\n");
        },
      ],
      [
        "is torn",
        (disk) => {
          write(disk, "000000000000");
        },
      ],
      [
        "is empty",
        (disk) => {
          write(disk, "");
        },
      ],
      [
        "is zeros",
        (disk) => {
          disk.replace("durable.mark", Buffer.alloc(26));
        },
      ],
      [
        "is more than a mark",
        (disk) => {
          write(disk, `0000000000000009 ${crc("0000000000000009")}\nx`);
        },
      ],
    ];
    for (const [what, mark] of LESS) {
      it(`and cut what may be torn where the mark ${what}`, () => {
        expect(new Segments(torn(mark), 100_000).open()).to.include({ seq: 7 });
      });
    }

    it("and go on without a mark where it can't be written", () => {
      const disk = new ModelDisk();
      const segments = opened(disk, 100_000);
      disk.fault = { at: 3, operation: "open", after: false, code: "EMFILE" };
      segments.append(Buffer.from(records(1, 3)), 3);
      segments.append(Buffer.from(records(4, 6)), 6);
      disk.crash();
      expect(new Segments(disk, 100_000).open()).to.deep.equal({ seq: 6, cut: null });
    });
  });

  it("cut a torn tail at every byte of a group back to whole records", () => {
    const group = Buffer.from(records(4, 6));
    for (let length = 0; length <= group.length; length++) {
      const disk = new ModelDisk();
      disk.put(1, Buffer.concat([Buffer.from(records(1, 3)), group.subarray(0, length)]));
      const { seq } = new Segments(disk, 1000).open();
      expect(disk.text()).to.equal(records(1, seq));
      expect(seq).to.be.within(3, length === group.length ? 6 : 5);
    }
  });

  const damaged: [string, (disk: ModelDisk) => void][] = [
    [
      "a gap",
      (disk) => {
        disk.put(1, record(1) + record(3));
      },
    ],
    [
      "a record twice",
      (disk) => {
        disk.put(1, record(1) + record(1));
      },
    ],
    [
      "records out of order",
      (disk) => {
        disk.put(1, record(2) + record(1));
      },
    ],
    [
      "a first segment that is missing",
      (disk) => {
        disk.put(4, record(4));
      },
    ],
    [
      "a name that isn't its first record's",
      (disk) => {
        disk.put(1, records(1, 3));
        disk.put(4, record(5));
      },
    ],
    [
      "a gap between segments",
      (disk) => {
        disk.put(1, records(1, 3));
        disk.put(5, record(5));
      },
    ],
    [
      "an overlap of segments",
      (disk) => {
        disk.put(1, records(1, 3));
        disk.put(3, record(3));
      },
    ],
    [
      "a torn segment that isn't the last",
      (disk) => {
        disk.put(1, `${records(1, 3)}{"se`);
        disk.put(4, record(4));
      },
    ],
    ...["4\n", '{"seq":"4"}\n', "\n", '{"seq":4,"t\n', `\0${record(4).slice(1)}`].map((line): [string, (disk: ModelDisk) => void] => [
      `a last line that ends and is no record: ${JSON.stringify(line)}`,
      (disk) => {
        disk.put(1, records(1, 3) + line);
      },
    ]),
    [
      "whole records behind one with another byte",
      (disk) => {
        disk.put(1, records(1, 9).replace('{"seq":4,', '{"seq"_4,'));
      },
    ],
    [
      "two records whose newline is another byte, and whole ones behind them",
      (disk) => {
        disk.put(1, `${records(1, 3).slice(0, -1)}x${records(4, 9)}`);
      },
    ],
    [
      "more behind a missing sector than a group",
      (disk) => {
        disk.put(1, Buffer.concat([Buffer.from(record(1)), HOLE, Buffer.from("\n"), Buffer.alloc(TORN_BYTES_MAX, records(3, 9))]));
      },
    ],
    [
      "more behind the last record than a group",
      (disk) => {
        disk.put(1, record(1) + "x".repeat(TORN_BYTES_MAX + 1));
      },
    ],
  ];
  for (const [what, prepare] of damaged) {
    it(`refuse ${what}, and leave the files alone`, () => {
      const disk = new ModelDisk();
      prepare(disk);
      const before = disk.text();
      expect(() => new Segments(disk, 1000).open()).to.throw(LogDamaged);
      expect(disk.text()).to.equal(before);
    });
  }

  it("refuse a file that lost what was synced", () => {
    const disk = new ModelDisk();
    const segments = opened(disk);
    segments.append(Buffer.from(records(1, 3)), 3);
    disk.put(1, record(1));
    expect(() => {
      segments.recover();
    }).to.throw(LogDamaged);
  });

  /** Appends 40 groups while one operation fails; returns what was acknowledged, and the disk after a power cut. */
  function run(disk: ModelDisk, fault: Fault, lasting: number, kept: (unsynced: number) => number): number[] {
    const acknowledged: number[] = [];
    disk.fault = fault;
    disk.lasting = lasting;
    const segments = new Segments(disk, 300);
    let state: "opening" | "writing" | "failed" = "opening";
    for (let tries = 0, group = 1; group <= 40 && tries < 200; tries++) {
      try {
        if (state === "opening") segments.open();
        else if (state === "failed") segments.recover();
        state = "writing";
        const from = segments.seq + 1;
        const to = from + (group % 3);
        segments.append(Buffer.from(records(from, to)), to);
        for (let seq = from; seq <= to; seq++) acknowledged.push(seq);
        group++;
      } catch (cause) {
        if (cause instanceof LogDamaged) throw cause;
        if (state === "writing") state = "failed";
      }
    }
    disk.crash(kept);
    return acknowledged;
  }

  function lost(disk: ModelDisk, acknowledged: number[]): number {
    const { seq } = new Segments(disk, 300).open();
    expect(disk.text()).to.equal(records(1, seq));
    return acknowledged.filter((wanted) => wanted > seq).length;
  }

  const operations = ["write", "sync", "open", "truncate"] as const;
  const keeps: [string, (unsynced: number) => number][] = [
    ["nothing unsynced survives", () => 0],
    ["half of it survives", (unsynced) => Math.floor(unsynced / 2)],
    ["all of it survives", (unsynced) => unsynced],
  ];
  for (const operation of operations) {
    for (const after of [false, true]) {
      it(`lose nothing acknowledged where the n-th ${operation} fails ${after ? "after" : "before"} it took effect`, () => {
        let faulted = 0;
        for (let at = 1; at <= 60; at++) {
          for (const code of ["EIO", "ENOSPC"]) {
            for (const lasting of [1, 3]) {
              for (const [what, kept] of keeps) {
                const disk = new ModelDisk();
                const acknowledged = run(disk, { at, operation, after, code }, lasting, kept);
                faulted += disk.faulted;
                expect(acknowledged.length, `${operation} ${at}`).to.equal(acknowledged.at(-1));
                expect(acknowledged.length).to.be.greaterThan(40);
                expect(lost(disk, acknowledged), `${operation} ${at}, ${what}`).to.equal(0);
              }
            }
          }
        }
        expect(faulted).to.be.greaterThan(60);
      });
    }
  }

  it("lose acknowledged records where nothing is synced, so the model can tell", () => {
    class Unsynced extends ModelDisk {
      override sync(): void {
        this.syncs++;
      }
    }
    const disk = new Unsynced();
    const segments = opened(disk, 100_000);
    segments.append(Buffer.from(records(1, 9)), 9);
    disk.crash();
    expect(lost(disk, [9])).to.equal(1);
  });

  for (const [what, again, losing] of [
    ["lose nothing where a failed sync drops the pages", true, false],
    ["lose records if the same descriptor is asked again, so the model can tell", false, true],
  ] as const) {
    it(what, () => {
      class Forgetful extends ModelDisk {
        // What kernels do: the failed pages count as clean, and the next sync of the descriptor reports success.
        #lost: number | null = null;
        override sync(file: number): void {
          if (++this.syncs === 5) {
            this.#lost = file;
            throw new Error("EIO");
          }
          if (file !== this.#lost) super.sync(file);
        }
      }
      const disk = new Forgetful();
      const segments = opened(disk, 100_000);
      const acknowledged: number[] = [];
      for (let seq = 1; seq <= 20; seq++) {
        const lines = Buffer.from(record(seq));
        try {
          segments.append(lines, seq);
        } catch {
          if (again) segments.recover();
          segments.append(lines, seq);
        }
        acknowledged.push(seq);
      }
      disk.crash();
      expect(lost(disk, acknowledged) > 0).to.equal(losing);
    });
  }
});
