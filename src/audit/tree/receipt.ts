/**
 * A receipt: one record with everything that proves it, in one file that is verified offline by whoever knows the log's key.
 * What an attacker may write is all of it but the key.
 */
import { hash } from "node:crypto";
import { Problem } from "../../contract/index.js";
import { Type, type Static } from "../../contract/type.js";
import { scan } from "../../decision/scan.js";
import { schemas } from "../../system/schemas.js";
import { CheckpointError, openCheckpoint, type OpenedCheckpoint } from "./checkpoint.js";
import { fromBase64, leafHash, type Hash } from "./hash.js";
import { includes } from "./merkle.js";
import { NoteError, readVerifier, type Verifier } from "./note.js";

export const RECEIPT_VERSION = 1;
const LENGTH_MAX = 16 * 1024 * 1024;
/** More than any record has. */
const SCAN_LIMITS = { depth_max: 128, members_max: 1_000_000 };
const OUTCOMES_MAX = 100;
const PROOF_MAX = 63;

const closed = { additionalProperties: false };
const Proven = {
  index: Type.Integer({ minimum: 0, description: "Index of the record's leaf, from 0; its `seq` is one more" }),
  proof: Type.Array(Type.String(), {
    maxItems: PROOF_MAX,
    description: "Hashes in base64, from the leaf up (RFC 9162, section 2.1.3)",
  }),
  record: Type.String({ description: "The record's exact text, whose SHA-256 behind a zero byte is the leaf" }),
};

/** The file's content. */
export const Receipt = Type.Object(
  {
    ...Proven,
    beside: Type.Optional(Type.String({ description: "Exact text that the record names by its digest. Left out: it names none" })),
    checkpoint: Type.String({ description: "A signed note (C2SP tlog-checkpoint) that covers all records in here" }),
    keys: Type.Array(Type.String(), {
      minItems: 1,
      maxItems: 16,
      description: "By which the checkpoint is signed, as C2SP verifier keys. They say which key to ask about, and prove nothing",
    }),
    outcomes: Type.Array(Type.Object(Proven, { ...closed, title: "ProvenRecord", description: "A record and its inclusion in the log" }), {
      maxItems: OUTCOMES_MAX,
      description: "Records of what became of it",
    }),
    v: Type.Literal(RECEIPT_VERSION, { description: "Version of the form of receipts" }),
  },
  { ...closed, title: "Receipt", description: "Proof, to be checked offline, that a decision is in the log" },
);
export type Receipt = Static<typeof Receipt>;
const isReceipt = schemas().compile<Receipt>(Receipt);

export type ReceiptFault =
  /** Not a receipt. */
  | "receipt_malformed"
  /** The checkpoint isn't signed by a key that is trusted, or was altered; `cause` says more. */
  | "checkpoint_refused"
  /** The keys it names aren't those that signed its checkpoint. */
  | "keys_disagree"
  /** The record isn't in the log in this place: record, index, proof or checkpoint were altered. */
  | "record_not_included"
  /** The record says that it is another one than its place. */
  | "record_misplaced"
  /** The text beside the record is missing, or isn't what it names. */
  | "beside_altered"
  /** An outcome isn't in the log in its place. */
  | "outcome_not_included"
  /** An outcome belongs to another decision, or isn't an outcome. */
  | "outcome_misplaced";

export class ReceiptError extends Error {
  override readonly name = "ReceiptError";

  constructor(
    readonly code: ReceiptFault,
    message: string,
    options?: ErrorOptions,
  ) {
    super(message, options);
  }
}

/** Content that a receipt proves, by the keys that were trusted. */
export interface ProvenReceipt {
  /** With what stood beside it in its place. */
  record: Readonly<Record<string, unknown>>;
  index: number;
  outcomes: readonly Readonly<Record<string, unknown>>[];
  checkpoint: OpenedCheckpoint;
}

export function printReceipt(receipt: Omit<Receipt, "v">): string {
  return `${JSON.stringify({ v: RECEIPT_VERSION, ...receipt }, null, 2)}\n`;
}

/** @throws ReceiptError `receipt_malformed`; nothing of it is proven by reading it */
export function parseReceipt(text: string): Receipt {
  const refused = (why: string, options?: ErrorOptions): ReceiptError =>
    new ReceiptError("receipt_malformed", `not a receipt: ${why}`, options);
  if (text.length > LENGTH_MAX) throw refused(`it is longer than ${LENGTH_MAX} characters`);
  let value: unknown;
  try {
    // A name twice, and two readers of one file see two receipts.
    value = JSON.parse(scan(Buffer.from(text), SCAN_LIMITS));
  } catch (cause) {
    throw refused(cause instanceof Problem ? cause.message : "not JSON", { cause });
  }
  if (isReceipt(value)) return value;
  const [error] = isReceipt.errors ?? [];
  throw refused(`\`${error?.instancePath ?? ""}\` ${error?.message ?? "is not as it should be"}`);
}

/**
 * @param trusted null: the keys that the receipt names itself, which whoever forges one can name too
 * @throws ReceiptError
 */
export function verifyReceipt(text: string, trusted: readonly Verifier[] | null): ProvenReceipt {
  const receipt = parseReceipt(text);
  const named = receipt.keys.map(readNamed);
  const checkpoint = openedBy(receipt.checkpoint, trusted ?? named);
  for (const key of named) openedBy(receipt.checkpoint, [key], "keys_disagree");
  const record = included(receipt, checkpoint, "record");
  const outcomes = receipt.outcomes.map((outcome) => included(outcome, checkpoint, "outcome"));
  const id = decisionId(record);
  for (const { kind, decision_id, seq } of outcomes)
    if (kind !== "outcome" || id === null || decision_id !== id)
      throw new ReceiptError("outcome_misplaced", `record ${String(seq)} is no outcome of this decision`);
  return { record: { ...record, ...besideOf(receipt, record) }, index: receipt.index, outcomes, checkpoint };
}

function readNamed(vkey: string): Verifier {
  try {
    return readVerifier(vkey);
  } catch (cause) {
    throw new ReceiptError("keys_disagree", `it names a key that is none: \`${vkey}\``, { cause });
  }
}

function openedBy(
  note: string,
  keys: readonly Verifier[],
  code: "checkpoint_refused" | "keys_disagree" = "checkpoint_refused",
): OpenedCheckpoint {
  try {
    return openCheckpoint(note, keys);
  } catch (cause) {
    if (!(cause instanceof NoteError) && !(cause instanceof CheckpointError)) throw cause;
    throw new ReceiptError(code, `its checkpoint: ${cause.message}`, { cause });
  }
}

function included(
  { record, index, proof }: Pick<Receipt, "record" | "index" | "proof">,
  { size, root }: OpenedCheckpoint,
  what: "record" | "outcome",
): Record<string, unknown> {
  const hashes = proof.map(fromBase64).filter((one): one is Hash => one !== null);
  const bytes = Buffer.from(record);
  const isLeaf = bytes.length <= 65_535 && hashes.length === proof.length;
  if (!isLeaf || !includes({ leaf: leafHash(bytes), index, size, proof: hashes, root }))
    throw new ReceiptError(`${what}_not_included`, `the ${what} is not leaf ${index} of the ${size} that were signed`);
  const parsed = objectOf(record);
  if (parsed["seq"] !== index + 1)
    throw new ReceiptError(`${what}_misplaced`, `the ${what} says that it is record ${String(parsed["seq"])}, and is leaf ${index}`);
  return parsed;
}

/** Returns what stood beside the record. @returns an empty object if the record is whole */
function besideOf({ beside }: Receipt, record: Readonly<Record<string, unknown>>): Record<string, unknown> {
  const named = record["beside"] as { digest: string } | undefined;
  if (named === undefined && beside === undefined) return {};
  if (beside === undefined || named?.digest !== `sha256:${hash("sha256", beside)}`)
    throw new ReceiptError("beside_altered", "what stands beside the record is missing, or isn't what the record names");
  return objectOf(beside);
}

/** Parses a text that the log has signed. */
function objectOf(text: string): Record<string, unknown> {
  try {
    const value: unknown = JSON.parse(text);
    if (typeof value === "object" && value !== null && !Array.isArray(value)) return { ...value };
  } catch {
    // As below: the log has signed it, and it is no record all the same.
  }
  throw new ReceiptError("receipt_malformed", "what was signed is no record");
}

function decisionId(record: Readonly<Record<string, unknown>>): string | null {
  const answer = record["answer"] as { decision_id?: string } | undefined;
  return answer?.decision_id ?? null;
}
