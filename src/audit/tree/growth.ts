/** Verifies that a log has only grown since a checkpoint that was kept: without its files, by a proof of consistency. */
import { CheckpointError, openCheckpoint, type OpenedCheckpoint } from "./checkpoint.js";
import { fromBase64, type Hash } from "./hash.js";
import { isConsistent } from "./merkle.js";
import { NoteError, type Verifier } from "./note.js";

export type GrowthFault =
  /** One of the two isn't signed by a key that is trusted, or was altered; `cause` says more. */
  | "checkpoint_refused"
  /** The log is now shorter. */
  | "rolled_back"
  /** The log doesn't prove that it begins with what it was: it has another history. */
  | "forked";

export class GrowthError extends Error {
  override readonly name = "GrowthError";

  constructor(
    readonly code: GrowthFault,
    message: string,
    options?: ErrorOptions,
  ) {
    super(message, options);
  }
}

/** State of the log now, as the log reports it. */
export interface Now {
  /** A signed note. */
  checkpoint: string;
  /** Base64 hashes, from the size that was kept to that of `checkpoint`; whatever else they are proves nothing. */
  proof: readonly string[];
}

/**
 * @param kept a signed note
 * @returns both, the one that was kept first
 * @throws GrowthError
 */
export function verifyGrowth(kept: string | Uint8Array, now: Now, trusted: readonly Verifier[]): [OpenedCheckpoint, OpenedCheckpoint] {
  const before = opened("the checkpoint that was kept", () => openCheckpoint(kept, trusted));
  const after = opened("the log's checkpoint", () => openCheckpoint(now.checkpoint, trusted, before.origin));
  if (after.size < before.size) throw new GrowthError("rolled_back", `the log has ${after.size} records, and had ${before.size}`);
  const proof = now.proof.map(fromBase64).filter((hash): hash is Hash => hash !== null);
  // Every log begins with nothing.
  if (before.size > 0 && !(proof.length === now.proof.length && isConsistent({ before, after, proof })))
    throw new GrowthError("forked", `the log of ${after.size} records doesn't begin with the ${before.size} that were signed`);
  return [before, after];
}

function opened(what: string, open: () => OpenedCheckpoint): OpenedCheckpoint {
  try {
    return open();
  } catch (cause) {
    if (!(cause instanceof NoteError) && !(cause instanceof CheckpointError)) throw cause;
    throw new GrowthError("checkpoint_refused", `${what}: ${cause.message}`, { cause });
  }
}
