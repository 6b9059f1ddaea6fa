/** Files that somebody may have kept of a log: a checkpoint by itself, or with a record or a proof that came with it. */
import { readUnverified } from "./checkpoint.js";
import { parseProofFile } from "./proof_file.js";
import { parseReceipt, verifyReceipt } from "./receipt.js";

/**
 * Returns the signed note in such a file. A receipt is checked against the keys that it names, so that its record is one that the
 * checkpoint covers; whose checkpoint it is has to be checked anyway.
 * @throws ReceiptError, ProofFileError, NoteError, CheckpointError
 */
export function checkpointIn(bytes: Buffer): string | Buffer {
  const text = bytes.toString();
  if (text.trimStart().startsWith("{")) {
    verifyReceipt(text, null);
    return parseReceipt(text).checkpoint;
  }
  const note = text.startsWith("c2sp.org/tlog-proof@") ? parseProofFile(text).checkpoint : bytes;
  readUnverified(note);
  return note;
}
