/** Checkpoints (C2SP tlog-checkpoint): a log's size and root, signed. A log never signs two that contradict one another. */
import { fromBase64, toBase64, type Hash } from "./hash.js";
import { openNote, parseNote, signNote, type Signer, type Verifier } from "./note.js";

export interface Checkpoint {
  origin: string;
  size: number;
  root: Hash;
}

export type CheckpointFault =
  /** A signed note whose text isn't a checkpoint. */
  | "checkpoint_malformed"
  /** A checkpoint of another log. */
  | "checkpoint_of_another_log"
  /** No key of this name has signed it; a witness alone doesn't speak for a log. */
  | "checkpoint_not_by_the_log";

export class CheckpointError extends Error {
  override readonly name = "CheckpointError";

  constructor(
    readonly code: CheckpointFault,
    message: string,
  ) {
    super(message);
  }
}

export function printCheckpoint({ origin, size, root }: Checkpoint): string {
  return `${origin}\n${size}\n${toBase64(root)}\n`;
}

/**
 * Reads a checkpoint's text. Lines below the third are somebody's extensions and are passed over.
 * @throws CheckpointError `checkpoint_malformed`
 */
export function parseCheckpoint(text: string): Checkpoint {
  const refused = (why: string): CheckpointError => new CheckpointError("checkpoint_malformed", `not a checkpoint: ${why}`);
  const [origin = "", size = "", root = "", ...rest] = text.split("\n");
  if (rest.length === 0) throw refused("it has fewer than three lines");
  if (origin === "") throw refused("its first line names no log");
  if (!/^(0|[1-9]\d*)$/.test(size) || !Number.isSafeInteger(Number(size))) throw refused("its second line is no size");
  const hash = fromBase64(root);
  if (hash === null) throw refused("its third line is not base64 of a hash of 32 bytes");
  return { origin, size: Number(size), root: hash };
}

export function signCheckpoint(checkpoint: Checkpoint, signers: readonly Signer[]): string {
  return signNote(printCheckpoint(checkpoint), signers);
}

export interface OpenedCheckpoint extends Checkpoint {
  by: readonly Verifier[];
}

/**
 * A checkpoint that a trusted key of the log itself has signed, whoever else has.
 * @param origin the log it must be of; null: of whichever log the keys are named after
 * @throws NoteError, CheckpointError
 */
export function openCheckpoint(note: string | Uint8Array, trusted: readonly Verifier[], origin: string | null = null): OpenedCheckpoint {
  const { text, by } = openNote(note, trusted);
  const checkpoint = parseCheckpoint(text);
  if (origin !== null && checkpoint.origin !== origin)
    throw new CheckpointError("checkpoint_of_another_log", `it is of log \`${checkpoint.origin}\`, not of \`${origin}\``);
  if (!by.some(({ name }) => name === checkpoint.origin))
    throw new CheckpointError("checkpoint_not_by_the_log", `no trusted key named \`${checkpoint.origin}\` has signed it`);
  return { ...checkpoint, by };
}

/**
 * Reads a checkpoint, whoever signed it: its content is to be proven by something else.
 * @throws NoteError, CheckpointError `checkpoint_malformed`
 */
export function readUnverified(note: string | Uint8Array): Checkpoint {
  return parseCheckpoint(parseNote(note).text);
}
