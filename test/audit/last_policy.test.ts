import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect } from "chai";
import { lastActivated, lastPolicy } from "../../src/audit/log/last_policy.js";
import { temporaryDirectory } from "./temporary.js";

const policy = (sequence: number): object => ({ bundle: "set", digest: "d", revision: "r", sequence });
const decision = (sequence: number, more: object = {}): object => ({ kind: "decision", answer: { policy: policy(sequence) }, ...more });
const activated = (sequence: number): object => ({ kind: "bundle", change: "activated", policy: policy(sequence) });

describe("the policy that a log says ran last", () => {
  const logs: [what: string, segments: (object | string)[][], sequence: number | null][] = [
    ["of an empty log", [[]], null],
    ["of no segment", [], null],
    ["of a decision", [[activated(7), decision(8)]], 8],
    ["of an activation after it", [[decision(8), activated(9)]], 9],
    ["of one before records of another kind", [[activated(7), { kind: "service", change: "stopped" }, { kind: "outcome" }]], 7],
    ["in a segment before the last", [[activated(7)], [{ kind: "service" }], []], 7],
    ["not of a bundle that was refused", [[activated(7), { kind: "bundle", change: "refused", policy: policy(3) }]], 7],
    ["not of another engine's decision, which may be behind", [[decision(8), decision(6, { engine: { origin: "o" } })]], 8],
    ["not of a decision without one", [[decision(8), { kind: "decision", answer: { policy: null }, note: '"policy":{' }]], 8],
    ["not of words that an agent wrote", [[decision(8), { kind: "refusal", detail: JSON.stringify(activated(99)), policy: {} }]], 8],
    ["before a line that is damaged", [[activated(7), decision(8), '{"kind":"decision","answer":{"policy":{'], [{ kind: "service" }]], 8],
    [
      "before a line longer than any record",
      [[decision(8), `{"kind":"decision","answer":{"policy":{"sequence":9}},"pad":"${"x".repeat(3_000_000)}"}`, {}]],
      8,
    ],
    ["after a line longer than any record", [["x".repeat(700_000), decision(8), { kind: "outcome" }]], 8],
    ["not of the end of a line longer than any record", [[decision(8), `${"x".repeat(600_000)}${JSON.stringify(decision(9))}`]], 8],
    [
      "far before the end",
      [[decision(8), ...Array.from({ length: 900 }, (_, i) => ({ kind: "outcome", seq: i, pad: "x".repeat(997 + (i % 7)) }))]],
      8,
    ],
  ];
  const written = (segments: readonly (readonly (object | string)[])[], end = ""): string => {
    const folder = temporaryDirectory();
    for (const [i, lines] of segments.entries()) {
      const text = lines.map((line) => `${typeof line === "string" ? line : JSON.stringify(line)}\n`).join("");
      writeFileSync(join(folder, `${String(i * 1000 + 1).padStart(16, "0")}.jsonl`), i === segments.length - 1 ? text + end : text);
    }
    return folder;
  };
  for (const [what, segments, sequence] of logs) {
    for (const end of ["", '{"kind":"decision","answer":{"policy":{"bundle":"set","sequ'])
      it(`is that ${what}${end === "" ? "" : ", with a torn end"}`, () => {
        expect(lastPolicy(written(segments, end))?.sequence ?? null).to.equal(sequence);
      });
  }

  for (const [what, segments, sequence] of [
    [
      "the last activation, whatever has decided since",
      [
        [activated(7), decision(8)],
        [decision(9), decision(7)],
      ],
      7,
    ],
    ["the later of two", [[activated(7), decision(7), activated(8)], [decision(8)]], 8],
    ["none where nothing was activated", [[decision(8), { kind: "bundle", change: "refused", policy: policy(3) }]], null],
    ["none of another engine", [[activated(7), { ...activated(9), engine: { origin: "o" } }]], 7],
  ] as const)
    it(`was activated by ${what}`, () => {
      expect(lastActivated(written(segments))?.sequence ?? null).to.equal(sequence);
    });
});
