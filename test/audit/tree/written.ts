/** Logs as a service leaves them: segments, what stands beside them, tiles, a signed checkpoint. */
import { createHash } from "node:crypto";
import { cpSync, mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { besideName, segmentName } from "../../../src/audit/log/segments.js";
import { signCheckpoint } from "../../../src/audit/tree/checkpoint.js";
import { leafHash, toBase64, type Hash } from "../../../src/audit/tree/hash.js";
import { readSigner, type Signer } from "../../../src/audit/tree/note.js";
import { RECEIPT_VERSION, type Receipt } from "../../../src/audit/tree/receipt.js";
import { nodeTiles, TiledTree } from "../../../src/audit/tree/tiles.js";
import { memoryTiles, signerPemOf } from "../sealing.js";
import { canonical, RECORD_VERSION, type DecisionRecord, type ServiceRecord } from "../../../src/contract/index.js";

export const ORIGIN = "log.example/pdp";

/** A log's key, the same each time. */
export function signerOf(name: string, origin = ORIGIN): Signer {
  return readSigner(origin, signerPemOf(createHash("sha256").update(name).digest()));
}

export const LOG_KEY = signerOf("the log's key");

const MINUTE_MS = 60_000;
const BEGIN_MS = Date.UTC(2026, 0, 14, 9);
const iso = (seq: number): string => new Date(BEGIN_MS + seq * MINUTE_MS).toISOString();

export function startedRecord(seq: number, keys: readonly Signer[]): ServiceRecord {
  const vkeys = keys.map(({ verifier }) => verifier.vkey);
  return {
    change: "started",
    durability: "synced",
    keys: vkeys,
    kind: "service",
    origin: ORIGIN,
    seq,
    time: iso(seq),
    v: RECORD_VERSION,
    version: "1.0.0",
  };
}

export function decisionRecord(seq: number): DecisionRecord {
  const decision = (["allow", "deny", "flag"] as const)[seq % 3] ?? "allow";
  return {
    kind: "decision",
    seq,
    time: iso(seq),
    v: RECORD_VERSION,
    answer: {
      action_digest: `sha256:${createHash("sha256").update(String(seq)).digest("hex")}`,
      decision,
      decision_id: `0190-${seq}`,
      facts_revision: 12,
      obligations: [],
      policy: { bundle: "customer_support", digest: `sha256:${"ab".repeat(32)}`, revision: "r-7", sequence: 7 },
      proceed: decision === "allow",
      reasons: [
        {
          code: "unrelated_financials",
          effect: decision,
          message: "somebody else's invoice",
          params: {},
          severity: "high",
        },
      ],
      valid_for_ms: 5000,
    },
    asked: iso(seq),
    caller: "pep-1",
    input: {
      facts: {
        agent: { attributes: {}, id: "support-7", owner: "desk@example.com", version: "3" },
        behavior: { channels: {}, confidence: 0, reasons: [], risk: 0 },
        caller: { id: "pep-1" },
        flow: null,
        grants: [],
        principal: "ada@example.com",
        task: { attributes: { topic: "billing" }, depth: 0, id: "T-1", root: "T-1", subjects: { ticket: ["TCK-81"] } },
        time: { claim_ms: null, ms: BEGIN_MS + seq * MINUTE_MS },
      },
      request: {
        agent: "support-7",
        arguments: {},
        context: { session: "S-4", source: null, trace: null },
        purpose: "customer_support",
        related: {},
        resource: { attributes: { amount_cents: 125_000, customer: "bob", seq }, id: `I-${seq}`, type: "invoice" },
        task: "T-1",
        verb: "read",
      },
    },
    previous: seq < 3 ? null : `0190-${seq - 1}`,
    stages: { evaluate_us: 18, read_us: 40 },
  };
}

export interface WrittenOptions {
  records: number;
  segment_records: number;
  /** Every so many records one is too large for a leaf. */
  beside_every?: number;
  signers?: readonly Signer[];
  /** Where the log is signed for the last time; all of it where left out. */
  signed?: number;
  tiles?: boolean;
  /** The record's text, where it isn't the usual. */
  text?: (seq: number, usual: string) => string;
}

export interface Written {
  folder: string;
  options: WrittenOptions;
  leaves: Hash[];
  /** The signed checkpoint of any earlier size. */
  checkpointAt(size: number, signers?: readonly Signer[]): string;
  /** What proves that the log of `size` records begins with that of `before`. */
  consistency(before: number, size: number): string[];
  /** Of one record, under the whole log's checkpoint. */
  receiptOf(seq: number, outcomes?: readonly number[]): Receipt;
  /** A copy that may be damaged. */
  copyTo(folder: string): void;
}

/** Writes `records` records into `folder`, which it makes. */
export function writeLog(folder: string, options: WrittenOptions): Written {
  const { records, segment_records, beside_every, signers = [LOG_KEY], tiles = true } = options;
  mkdirSync(folder, { recursive: true });
  const tree = TiledTree.open(tiles ? nodeTiles(folder) : memoryTiles());
  const leaves: Hash[] = [];
  const texts: string[] = [];
  const besideTexts = new Map<number, string>();
  for (let first = 1; first <= records; first += segment_records) {
    const lines: string[] = [];
    const besides: string[] = [];
    for (let seq = first; seq < first + segment_records && seq <= records; seq++) {
      const usual = seq === 1 ? startedRecord(seq, signers) : decisionRecord(seq);
      const { record, beside } = seq % (beside_every ?? Infinity) === 0 ? apart(usual) : { record: usual, beside: null };
      const line = options.text?.(seq, canonical(record)) ?? canonical(record);
      if (beside !== null) {
        besides.push(beside);
        besideTexts.set(seq, beside);
      }
      texts.push(line);
      lines.push(line);
      leaves.push(leafHash(Buffer.from(line)));
      tree.add(leaves.at(-1) as Hash);
    }
    const name = segmentName(first);
    writeFileSync(join(folder, name), lines.map((line) => `${line}\n`).join(""));
    if (besides.length > 0) writeFileSync(join(folder, besideName(name)), besides.map((line) => `${line}\n`).join(""));
  }
  const checkpointAt: Written["checkpointAt"] = (size, by = signers) => signCheckpoint({ origin: ORIGIN, size, root: tree.root(size) }, by);
  writeFileSync(join(folder, "checkpoint"), checkpointAt(options.signed ?? records));
  const proven = (seq: number): Pick<Receipt, "index" | "proof" | "record"> => ({
    index: seq - 1,
    proof: tree.inclusion(seq - 1, records).map(toBase64),
    record: texts[seq - 1] ?? "",
  });
  return {
    folder,
    options,
    leaves,
    checkpointAt,
    consistency: (before, size) => (before === 0 ? [] : tree.consistency(before, size).map(toBase64)),
    receiptOf: (seq, outcomes = []) => {
      const beside = besideTexts.get(seq);
      return {
        v: RECEIPT_VERSION,
        ...proven(seq),
        ...(beside !== undefined && { beside }),
        checkpoint: checkpointAt(records),
        keys: signers.map(({ verifier }) => verifier.vkey),
        outcomes: outcomes.map(proven),
      };
    },
    copyTo: (to) => {
      cpSync(folder, to, { recursive: true });
    },
  };
}

function apart(usual: ServiceRecord | DecisionRecord): { record: object; beside: string | null } {
  if (usual.kind === "service") return { record: usual, beside: null };
  const { input, ...rest } = usual;
  const beside = canonical({ input });
  const digest = `sha256:${createHash("sha256").update(beside).digest("hex")}`;
  return { record: { ...rest, beside: { bytes: Buffer.byteLength(beside), digest } }, beside };
}
