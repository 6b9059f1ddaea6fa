/**
 * A witness of other logs (C2SP tlog-witness): it cosigns a checkpoint once that is proven to go on from the last one that it cosigned, which it
 * remembers on disk first. A log that was put back, or that shows two readers two histories, gets no cosignature.
 */
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { readText } from "../../system/read_file.js";
import { replaceFile } from "../../system/replaced_file.js";
import { Turns } from "../../system/turns.js";
import type { Clock } from "../../system/index.js";
import { CheckpointError, openCheckpoint, parseCheckpoint, readUnverified, type Checkpoint } from "../tree/checkpoint.js";
import { fromBase64, type Hash } from "../tree/hash.js";
import { isConsistent } from "../tree/merkle.js";
import { NoteError, openNote, parseNote, readCosigner, readVerifier, type TimedSigner, type Verifier } from "../tree/note.js";
import { keptKey } from "./log_keys.js";

export interface CosignerOptions {
  /** Name in its cosignatures, such as `remit.example/w1`. */
  name: string;
  /** Verifier keys of the logs that it cosigns for; a log may have several. */
  logs: readonly string[];
}

/** Answer to a submission, with the status that C2SP gives it. */
export interface Cosigning {
  status: 200 | 400 | 403 | 404 | 409 | 422;
  /** Cosignature lines, the size that was cosigned last (409), or what is wrong; a line each. */
  text: string;
}

/** Folder of its state, in the log's own: a key and the last checkpoint of each log. */
const COSIGNED = "cosigned";
const KEY = "witness.pem";
const REQUEST = /^old (0|[1-9]\d{0,15})\n((?:[A-Za-z0-9+/]{43}=\n){0,63})\n/u;
const EXTENSION = ".checkpoint";

export class Cosigner {
  readonly #folder: string;
  readonly #signer: TimedSigner;
  readonly #verifiers: readonly Verifier[];
  readonly #clock: Pick<Clock, "wall">;
  /** Last checkpoint of each log, as it was cosigned. */
  readonly #last = new Map<string, string>();
  /** Submissions of each log, one after another: what is compared is what is replaced. */
  readonly #turns = new Turns();

  /**
   * @param directory the log's
   * @throws NoteError of a key, and an Error where what was cosigned before can't be read: a witness that has forgotten could cosign a fork
   */
  constructor({ name, logs }: CosignerOptions, directory: string, clock: Pick<Clock, "wall">) {
    this.#folder = join(directory, COSIGNED);
    this.#clock = clock;
    this.#verifiers = logs.map(readVerifier);
    mkdirSync(this.#folder, { recursive: true, mode: 0o700 });
    const files = readdirSync(this.#folder).filter((file) => file.endsWith(EXTENSION));
    if (files.length > 0 && !existsSync(join(this.#folder, KEY)))
      throw new Error(`\`${join(this.#folder, KEY)}\` is gone, and checkpoints were cosigned with it: put it back`);
    this.#signer = readCosigner(name, keptKey(join(this.#folder, KEY)));
    for (const file of files) {
      const path = join(this.#folder, file);
      try {
        const note = readText(path);
        openNote(note, [this.#signer.verifier]);
        this.#last.set(readUnverified(note).origin, note);
      } catch (cause) {
        if (!(cause instanceof NoteError || cause instanceof CheckpointError)) throw cause;
        throw new Error(`\`${path}\` isn't what was cosigned: ${cause.message}`, { cause });
      }
    }
  }

  /** Key that its cosignatures are verified by, as C2SP writes it. */
  get key(): string {
    return this.#signer.verifier.vkey;
  }

  /** Returns the last checkpoint of a log with its cosignature; null: none. @param id SHA-256 of the log's origin, in hex */
  checkpoint(id: string): string | null {
    for (const [origin, note] of this.#last) if (idOf(origin) === id) return note;
    return null;
  }

  /** Cosigns a checkpoint that goes on from the last one. @param request as C2SP tlog-witness has it */
  async submit(request: string): Promise<Cosigning> {
    const [head, old = "", hashes = ""] = REQUEST.exec(request) ?? [];
    if (head === undefined) return refused(400, "expected `old <size>`, hashes in base64, an empty line and a checkpoint");
    const note = request.slice(head.length);
    let checkpoint: Checkpoint;
    try {
      const { origin } = readUnverified(note);
      const ofLog = this.#verifiers.filter(({ name }) => name === origin);
      if (ofLog.length === 0) return refused(404, "it cosigns for no log of this name");
      checkpoint = openCheckpoint(note, ofLog, origin);
    } catch (cause) {
      if (cause instanceof NoteError && cause.code !== "note_malformed") return refused(403, cause.message);
      if (cause instanceof NoteError || cause instanceof CheckpointError) return refused(400, cause.message);
      throw cause;
    }
    if (Number(old) > checkpoint.size) return refused(400, "the old size is larger than the checkpoint's");
    const proof = hashes.split("\n").flatMap((hash) => fromBase64(hash) ?? []);
    return await this.#turns.take(checkpoint.origin, () => this.#cosign(Number(old), proof, checkpoint, note));
  }

  async #cosign(old: number, proof: readonly Hash[], checkpoint: Checkpoint, note: string): Promise<Cosigning> {
    const { origin, size, root } = checkpoint;
    const last = this.#last.get(origin);
    const before = last === undefined ? null : parseCheckpoint(parseNote(last).text);
    if (old !== (before?.size ?? 0)) return { status: 409, text: `${before?.size ?? 0}\n` };
    // An empty tree is the beginning of every other.
    const isEmpty = before === null || before.size === 0;
    if (isEmpty ? proof.length > 0 : !isConsistent({ before, after: { size, root }, proof }))
      return refused(422, "the hashes don't prove that this log goes on from what was cosigned");
    const { text } = parseNote(note);
    const line = this.#signer.line(text, Math.floor(this.#clock.wall() / 1000));
    const cosigned = `${text}\n${ownLines(note, origin)}${line}`;
    // On disk before it is answered: after a crash it must not cosign another checkpoint in place of this one.
    await replaceFile(join(this.#folder, `${idOf(origin)}${EXTENSION}`), cosigned, 0o666);
    this.#last.set(origin, cosigned);
    return { status: 200, text: line };
  }
}

function refused(status: Cosigning["status"], why: string): Cosigning {
  return { status, text: `${why}\n` };
}

const idOf = (origin: string): string => createHash("sha256").update(origin).digest("hex");

/** Signature lines of the log itself: those of other witnesses are theirs to show. */
function ownLines(note: string, origin: string): string {
  const lines = note.slice(note.lastIndexOf("\n\n") + 2).split("\n");
  return lines
    .filter((line) => line.startsWith(`\u2014 ${origin} `))
    .map((line) => `${line}\n`)
    .join("");
}
