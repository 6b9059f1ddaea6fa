/** Proof files (C2SP tlog-proof): an index, its proof and a checkpoint, for an entry that its holder has. */
import { fromBase64, toBase64, type Hash } from "./hash.js";

const HEADER = "c2sp.org/tlog-proof@v1";
const LENGTH_MAX = 1_000_000;
const HASHES_MAX = 63;

export interface ProofFile {
  /** Whatever its writer put in; nothing signs it. */
  extra: Buffer | null;
  index: number;
  proof: readonly Hash[];
  /** A signed note, as it is. */
  checkpoint: string;
}

export class ProofFileError extends Error {
  override readonly name = "ProofFileError";
  readonly code = "proof_file_malformed";
}

export function printProofFile({ extra, index, proof, checkpoint }: ProofFile): string {
  const extraLine = extra === null ? [] : [`extra ${extra.toString("base64")}`];
  return [HEADER, ...extraLine, `index ${index}`, ...proof.map(toBase64), "", checkpoint].join("\n");
}

/** @throws ProofFileError; nothing of it is proven by reading it */
export function parseProofFile(text: string): ProofFile {
  const refused = (why: string): ProofFileError => new ProofFileError(`not a proof file: ${why}`);
  if (text.length > LENGTH_MAX) throw refused(`it is longer than ${LENGTH_MAX} characters`);
  const end = text.indexOf("\n\n");
  if (end < 0) throw refused("no empty line before the checkpoint");
  const [header, ...lines] = text.slice(0, end).split("\n");
  if (header !== HEADER) throw refused(`it doesn't begin with \`${HEADER}\``);
  const [, encoded] = /^extra (.*)$/.exec(lines[0] ?? "") ?? [];
  const extra = encoded === undefined ? null : Buffer.from(encoded, "base64");
  if (extra !== null) {
    lines.shift();
    if (extra.toString("base64") !== encoded) throw refused("`extra` is not base64");
  }
  const [, digits = ""] = /^index (0|[1-9]\d*)$/.exec(lines.shift() ?? "") ?? [];
  const index = Number(digits);
  if (digits === "" || !Number.isSafeInteger(index)) throw refused("no `index` with a whole number");
  if (lines.length > HASHES_MAX) throw refused(`it has more than ${HASHES_MAX} hashes`);
  const proof = lines.map((line) => {
    const hash = fromBase64(line);
    if (hash === null) throw refused("a line is not base64 of a hash of 32 bytes");
    return hash;
  });
  return { extra, index, proof, checkpoint: text.slice(end + 2) };
}
