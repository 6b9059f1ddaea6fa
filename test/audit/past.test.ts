import { expect } from "chai";
import { readPast } from "../../src/audit/log/past.js";
import { ModelDisk } from "./disk.js";

const HOUR_MS = 3_600_000;

/** A decision as its record says it, at so many hours by the host's clock. */
const decided = (hour: number, revision: number, uses: string[] = []): object => ({
  kind: "decision",
  time: new Date(hour * HOUR_MS).toISOString(),
  ...(uses.length > 0 && { uses }),
  // Words that an agent has written are no members of the record.
  input: { note: 'a "kind":"facts" and "uses":["G-9"]', arguments: { uses: ["G-9"], kind: "facts" } },
  answer: { facts_revision: revision },
});
const changed = (hour: number, revision: number | null): object => ({
  kind: "facts",
  time: new Date(hour * HOUR_MS).toISOString(),
  facts_revision: revision,
  grant: { uses: ["G-9"] },
});

/** Each list is a segment. */
function logOf(segments: object[][]): ModelDisk {
  const disk = new ModelDisk();
  let seq = 1;
  for (const records of segments) {
    disk.put(seq, records.map((record) => `${JSON.stringify({ seq: seq++, ...record })}\n`).join(""));
  }
  return disk;
}

async function usesOf(disk: ModelDisk, since: number): Promise<string[]> {
  const found: string[] = [];
  for await (const uses of readPast(disk).uses(since)) found.push(...uses);
  return found.sort();
}

describe("what the log says of the past", () => {
  it("is nothing where there is no log", async () => {
    const disk = logOf([]);
    expect([readPast(disk).revision, await usesOf(disk, 0)]).to.deep.equal([0, []]);
  });

  const ends: [what: string, segments: object[][], revision: number][] = [
    ["the last change", [[changed(1, 1), changed(1, 2)]], 2],
    [
      "the last change, before decisions",
      [
        [changed(1, 1), changed(1, 2)],
        [decided(1, 2), decided(1, 2)],
      ],
      2,
    ],
    ["the last change that has a number", [[changed(1, 1), changed(1, 2), changed(1, null)]], 2],
    ["none, where there are only decisions", [[decided(1, 0)], [decided(1, 0)]], 0],
    ["the last change, after a segment that is still empty", [[changed(1, 1)], []], 1],
  ];
  for (const [what, segments, revision] of ends) {
    it(`ends at ${what}`, () => {
      expect(readPast(logOf(segments)).revision).to.equal(revision);
    });
  }

  it("ends where it does by a mark as well, wherever that was made, and what comes before its segment isn't read", () => {
    const segments = [[changed(1, 1), decided(1, 1)], [decided(1, 1)], [changed(2, 2)], [decided(2, 2), changed(2, null)], [decided(2, 2)]];
    const records = segments.flat() as { kind: string; facts_revision?: number | null }[];
    for (let length = 1; length <= records.length; length++) {
      for (let seq = 0; seq <= length; seq++) {
        const revisionTo = (to: number): number =>
          Math.max(0, ...records.slice(0, to).flatMap(({ kind, facts_revision }) => (kind === "facts" ? [facts_revision ?? 0] : [])));
        const firsts = segments.map((_, i) => segments.slice(0, i).flat().length + 1);
        const disk = logOf(
          segments
            .map((segment, i) => segment.slice(0, Math.max(0, length + 1 - (firsts[i] ?? 0))))
            .filter((segment) => segment.length > 0),
        );
        const read = disk.read.bind(disk);
        disk.read = (name) => {
          const next = firsts.find((first) => first > Number.parseInt(name, 10)) ?? Infinity;
          if (next <= seq) throw new Error(`${name} was read, and the mark is of record ${seq}`);
          return read(name);
        };
        const found = readPast(disk, new Map(), { seq, revision: revisionTo(seq) }).revision;
        expect(found, `${length} records, a mark of ${seq}`).to.equal(revisionTo(length));
      }
    }
  });

  it("passes over a line that is being written, whatever is there of it", async () => {
    const next = JSON.stringify({ seq: 3, ...decided(1, 1, ["G-2"]), facts: '"kind":"facts"' });
    for (const first of [[changed(1, 1), decided(1, 1, ["G-1"])], [changed(1, 1)]]) {
      const whole = logOf([first]).text();
      for (let written = 0; written <= next.length; written++) {
        const disk = new ModelDisk();
        disk.put(1, whole + next.slice(0, written));
        expect(readPast(disk).revision).to.equal(1);
        expect(await usesOf(disk, 1)).to.deep.equal(first.length === 1 ? [] : ["G-1"]);
      }
    }
  });

  it("looks once at a record, however often it holds the words", () => {
    const many = { ...decided(1, 1), input: { items: Array.from({ length: 500 }, () => ({ kind: "facts" })) } };
    const disk = logOf([[changed(1, 1), many, many]]);
    let looks = 0;
    const whole = disk.read.bind(disk);
    disk.read = (name) => {
      const bytes = whole(name);
      const text = bytes.toString.bind(bytes);
      bytes.toString = (...range) => (looks++, text(...range));
      return bytes;
    };
    expect(readPast(disk).revision).to.equal(1);
    expect(looks).to.equal(3);
  });

  it("has every use since a revision, wherever it stands", async () => {
    const disk = logOf([
      [changed(1, 1), decided(1, 1, ["G-1"])],
      [decided(1, 1, ["G-1", "G-2"]), changed(1, 2)],
      [changed(1, 3)],
      [decided(2, 3), decided(2, 3, ["G-3"])],
      [],
    ]);
    expect(await usesOf(disk, 1)).to.deep.equal(["G-1", "G-1", "G-2", "G-3"]);
    expect(await usesOf(disk, 2)).to.include.members(["G-3"]);
    expect(await usesOf(disk, 3)).to.include.members(["G-3"]);
  });

  it("has them in whatever order the clock put their times", async () => {
    const hours = [5, 2, 9, 1, 3];
    const disk = logOf(hours.map((hour, i) => [decided(hour, i + 1, [`G-${i + 1}`])]));
    for (let since = 1; since <= hours.length; since++) {
      const wanted = hours.flatMap((_, i) => (i + 1 >= since ? [`G-${i + 1}`] : []));
      expect(await usesOf(disk, since)).to.include.members(wanted);
    }
  });

  it("isn't read further back than that", async () => {
    const disk = logOf(Array.from({ length: 50 }, (_, i) => [decided(1, i + 1, [`G-${i + 1}`])]));
    expect(await usesOf(disk, 48)).to.deep.equal(["G-47", "G-48", "G-49", "G-50"]);
  });
});
