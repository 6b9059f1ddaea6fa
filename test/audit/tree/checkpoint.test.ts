import { expect } from "chai";
import {
  CheckpointError,
  openCheckpoint,
  parseCheckpoint,
  printCheckpoint,
  readUnverified,
  signCheckpoint,
} from "../../../src/audit/tree/checkpoint.js";
import { EMPTY_ROOT, toBase64 } from "../../../src/audit/tree/hash.js";
import { generateSignerPem, NoteError, readSigner, signNote } from "../../../src/audit/tree/note.js";
import { vectors } from "./vectors.js";

interface CheckpointVectors {
  cases: { name: string; text: string; wantErr: boolean; origin?: string; size?: number; hashUtf8?: string }[];
}

const ROOT = toBase64(EMPTY_ROOT);

function codeOf(act: () => unknown): string {
  try {
    act();
  } catch (error) {
    if (error instanceof CheckpointError || error instanceof NoteError) return error.code;
    throw error;
  }
  return "ok";
}

describe("checkpoints", () => {
  for (const { name, text, wantErr, origin, size, hashUtf8 } of (vectors("c2sp", "checkpoint-text.json") as CheckpointVectors).cases) {
    it(`are read as the reference does: ${name}`, () => {
      if (wantErr) {
        expect(codeOf(() => parseCheckpoint(text))).to.equal("checkpoint_malformed");
        return;
      }
      const shorter = Buffer.from(hashUtf8 ?? "").toString("base64");
      expect(
        codeOf(() => parseCheckpoint(text)),
        "a hash of another length",
      ).to.equal("checkpoint_malformed");
      expect(parseCheckpoint(text.replace(shorter, ROOT))).to.deep.equal({ origin, size, root: EMPTY_ROOT });
    });
  }

  for (const [what, text] of [
    ["a size with a leading zero", `log\n01\n${ROOT}\n`],
    ["a size with a sign", `log\n+1\n${ROOT}\n`],
    ["a size in hex", `log\n0x1\n${ROOT}\n`],
    ["an empty size", `log\n\n${ROOT}\n`],
    ["a fraction", `log\n1.5\n${ROOT}\n`],
    ["a size above 2^53", `log\n9007199254740993\n${ROOT}\n`],
    ["white space around the size", `log\n 1\n${ROOT}\n`],
    ["a carriage return", `log\n1\r\n${ROOT}\n`],
    ["a root without padding", `log\n1\n${ROOT.slice(0, -1)}\n`],
    ["no root", "log\n1\n\n"],
    ["nothing", ""],
  ] as const) {
    it(`are refused with ${what}`, () => {
      expect(codeOf(() => parseCheckpoint(text))).to.equal("checkpoint_malformed");
    });
  }

  const log = readSigner("log.example/pdp", generateSignerPem());
  const other = readSigner("log.example/other", generateSignerPem());
  const checkpoint = { origin: "log.example/pdp", size: 0, root: EMPTY_ROOT };

  it("are opened as they were signed", () => {
    const note = signCheckpoint(checkpoint, [log]);
    expect(openCheckpoint(note, [log.verifier])).to.deep.equal({ ...checkpoint, by: [log.verifier] });
    expect(readUnverified(note)).to.deep.equal(checkpoint);
  });

  it("of another log are refused", () => {
    const note = signCheckpoint({ ...checkpoint, origin: "log.example/other" }, [other]);
    expect(codeOf(() => openCheckpoint(note, [log.verifier, other.verifier], "log.example/pdp"))).to.equal("checkpoint_of_another_log");
  });

  it("are refused where only somebody else's trusted key has signed", () => {
    const note = signNote(printCheckpoint(checkpoint), [other]);
    expect(codeOf(() => openCheckpoint(note, [log.verifier, other.verifier]))).to.equal("checkpoint_not_by_the_log");
  });

  it("are refused with one character of size, root or origin altered", () => {
    const note = signCheckpoint(checkpoint, [log]);
    const end = printCheckpoint(checkpoint).length;
    for (let i = 0; i < end; i++) {
      const altered = `${note.slice(0, i)}${note[i] === "A" ? "B" : "A"}${note.slice(i + 1)}`;
      expect(
        codeOf(() => openCheckpoint(altered, [log.verifier])),
        String(i),
      ).not.to.equal("ok");
    }
  });
});
