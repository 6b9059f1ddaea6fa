import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect } from "chai";
import { temporaryDirectory } from "../audit/temporary.js";
import { Incidents, QUIET_MS } from "../../src/findings/incidents.js";
import { recallIncidents } from "../../src/findings/recall.js";
import { NOW, decisionId, deny, flag, log, seen, sighted } from "./sightings.js";

const STEP_MS = 2000;

/** Segments of a log whose last record is of now, and what a service knew when it had written it. */
function written(folder: string, records: number, perSegment: number, pad = 0): Incidents {
  mkdirSync(folder, { recursive: true });
  const live = new Incidents();
  const lines: string[] = [];
  for (let i = 0; i < records; i++) {
    const reasons = [[flag("a", "high")], [deny("not_permitted")], [], [log("b")], [flag(`c_${i % 30}`)]][i % 5] ?? [];
    const put = { agent: `a-${i % 7}`, id: `I-${i % 11}`, purpose: `p-${i % 3}`, time_ms: NOW - (records - 1 - i) * STEP_MS };
    const one = sighted({ ...put, ...(reasons.length > 0 && { reasons }) });
    const { record } = seen(one, live.place(one), i + 1);
    lines.push(JSON.stringify({ ...record, pad: "x".repeat(pad) }));
  }
  for (let at = 0; at < records; at += perSegment) {
    const name = `${String(at + 1).padStart(16, "0")}.jsonl`;
    writeFileSync(join(folder, name), `${lines.slice(at, at + perSegment).join("\n")}\n`);
  }
  return live;
}

describe("a service that starts", () => {
  const folder = temporaryDirectory();
  const shapes: [what: string, records: number, perSegment: number, pad: number][] = [
    ["an empty log's worth", 0, 10, 0],
    ["one segment", 100, 1000, 0],
    ["many segments", 3000, 17, 0],
    ["a long time in one segment, most of it over", 3000, 10_000, 2000],
    ["long segments", 4000, 1500, 1500],
  ];
  for (const [what, records, perSegment, pad] of shapes) {
    it(`knows which incidents go on, and places what comes as if it had never stopped, after ${what}`, () => {
      const at = join(folder, what.replaceAll(/\W/g, "_"));
      const live = written(at, records, perSegment, pad);
      const read = new Incidents();
      recallIncidents(at, read, NOW);
      for (let i = 0; i < 40; i++) {
        const put = { agent: `a-${i % 7}`, id: `I-${i % 11}`, purpose: `p-${i % 3}`, time_ms: NOW + STEP_MS };
        const one = sighted({ ...put, ...(i % 4 !== 0 && { reasons: [flag(["a", "b", `c_${i}`][i % 3] ?? "a")] }) });
        expect(read.place(one), String(i)).to.equal(live.place(one));
      }
    });
  }

  it("knows an engine's incidents by when they were taken, and none of an agent that isn't the engine's", () => {
    const at = join(folder, "engines");
    mkdirSync(at, { recursive: true });
    const taken = new Date(NOW).toISOString();
    const finding = `F-${decisionId(NOW, 1)}`;
    const old = sighted({ agent: "a-1", time_ms: NOW - 5 * QUIET_MS, reasons: [flag("a")] });
    const nobodys = { ...old, agent: "a-2", reasons: [flag("b")] };
    const lines = [
      { ...seen(old, finding, 1).record, engine: { origin: "o", seq: 1, taken } },
      { ...seen(nobodys, `F-${decisionId(NOW, 2)}`, 2).record, engine: { origin: "o", seq: 2, taken, unattributed: true } },
    ];
    writeFileSync(join(at, `${"1".padStart(16, "0")}.jsonl`), lines.map((line) => `${JSON.stringify(line)}\n`).join(""));
    const read = new Incidents();
    recallIncidents(at, read, NOW);
    expect(read.place(sighted({ agent: "a-1", time_ms: NOW + 1, reasons: [flag("a")] }))).to.equal(finding);
    const theirs = sighted({ agent: "a-2", time_ms: NOW + 1, reasons: [flag("b")] });
    expect(read.place(theirs)).to.equal(`F-${theirs.decision_id}`);
  });

  for (const perSegment of [1000, 300, 10]) {
    it(`reads the last 32 MiB of a long log, wherever they begin in segments of ${perSegment}`, () => {
      const at = join(folder, `long_${perSegment}`);
      const [records, pad] = [800, 60_000];
      written(at, records, perSegment, pad);
      const { seq } = recallIncidents(at, new Incidents(), NOW, null, 0);
      expect(records - seq).to.be.within((32 * 1024 * 1024) / (pad + 1000), (32 * 1024 * 1024) / pad + 1);
      const [read, known] = [new Incidents(), new Incidents()];
      recallIncidents(at, read, NOW);
      recallIncidents(at, known, NOW, { seq, at: null });
      expect(read.dump()).to.deep.equal(known.dump());
      expect(read.dump()).to.not.deep.equal(new Incidents().dump());
    });
  }

  it("begins anew where everything is long over", () => {
    const at = join(folder, "over");
    written(at, 200, 50);
    const read = new Incidents();
    recallIncidents(at, read, NOW + QUIET_MS);
    expect(read.dump()).to.deep.equal(new Incidents().dump());
  });

  it("passes over a last line that was torn", () => {
    const at = join(folder, "torn");
    written(at, 20, 100);
    writeFileSync(join(at, `${"21".padStart(16, "0")}.jsonl`), '{"answer":{"decision":"deny","finding":"F-');
    const read = new Incidents();
    recallIncidents(at, read, NOW);
    expect((read.dump() as { agents: unknown[] }).agents).to.not.deep.equal([]);
  });

  const damage = [
    "",
    "{",
    "null",
    "[]",
    '{"kind":"decision"}',
    '{"finding":{"id":7},"kind":"facts","seq":21,"time":"x"}',
    '{"answer":{"decision":"deny","finding":"F-"},"kind":"decision","seq":21,"time":"2026-03-03T09:00:00.000Z"}',
    '{"finding":{},"kind":"observed","note":"\\"finding\\":\\"F-","seq":1,"time":"2026-03-03T09:00:00.000Z"}',
    "\u0000".repeat(300),
    "x".repeat(200_000),
  ];
  for (const text of damage) {
    it(`starts all the same where a line is ${JSON.stringify(text).slice(0, 50)}`, () => {
      for (const segment of [1, 21]) {
        const at = join(folder, `damaged_${segment}_${damage.indexOf(text)}`);
        written(at, 40, 20);
        const file = join(at, `${String(segment).padStart(16, "0")}.jsonl`);
        writeFileSync(file, `${text}\n${readFileSync(file, "utf8")}`);
        const read = new Incidents();
        recallIncidents(at, read, NOW);
        const next = sighted({ agent: "a-8", reasons: [flag("a")] });
        expect(read.place(next)).to.equal(`F-${next.decision_id}`);
      }
    });
  }
});
