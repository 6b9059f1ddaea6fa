/**
 * Signed notes (C2SP signed-note): text with the signatures of named keys below it. A key signs checkpoints of one log
 * and nothing else; its name is the log's origin, which every note it signs begins with.
 */
import { createHash, createPrivateKey, createPublicKey, generateKeyPairSync, sign, verify, type KeyObject } from "node:crypto";

const TYPES = { ed25519: 0x01, cosignature: 0x04 } as const;
const KEY_BYTES = 32;
const SIGNATURE_BYTES = 64;
const TIME_BYTES = 8;
const ID_BYTES = 4;
const SIGNATURES_MAX = 100;
const NOTE_BYTES_MAX = 1_000_000;
const LONE_SURROGATE = /\p{Cs}/u;
const SPKI = Buffer.from("302a300506032b6570032100", "hex");

export type NoteFault =
  /** Not a signed note. */
  | "note_malformed"
  /** No trusted key has signed it. */
  | "note_unsigned"
  /** It has a signature in the name of a trusted key that this key never made. */
  | "note_forged"
  /** Two trusted keys can't be told apart, or one is trusted twice. */
  | "keys_ambiguous"
  /** Not a verifier key, or not of a kind that is known. */
  | "key_malformed"
  /** Not an Ed25519 key: another kind signs something else, and a key is for one use. */
  | "key_refused";

export class NoteError extends Error {
  override readonly name = "NoteError";

  constructor(
    readonly code: NoteFault,
    message: string,
    options?: ErrorOptions,
  ) {
    super(message, options);
  }
}

/** A public key that notes are verified by. */
export interface Verifier {
  name: string;
  /** 8 hex digits. */
  id: string;
  /** Verifier key as C2SP writes it: name, id and key. */
  vkey: string;
  verify(text: string, signature: Buffer): boolean;
}

export interface Signer {
  verifier: Verifier;
  /** @returns the signature's line, with its newline */
  line: (text: string) => string;
}

export interface VerifiedNote {
  text: string;
  /** Trusted keys whose signatures verified, each once. */
  by: readonly Verifier[];
  /** Signatures of keys that nobody here trusts: they say nothing. */
  others: readonly { name: string; id: string }[];
}

/**
 * Reads a verifier key: `<name>+<id>+<base64 of type and key>`; Ed25519, or a witness's timestamped Ed25519.
 * @throws NoteError `key_malformed`
 */
export function readVerifier(vkey: string): Verifier {
  const refused = (why: string): NoteError => new NoteError("key_malformed", `not a verifier key: ${why}`);
  const [, name = "", id = "", encoded = ""] = /^([^+]*)\+([0-9a-f]{8})\+(.*)$/s.exec(vkey) ?? [];
  if (!isName(name)) throw refused("expected `<name>+<8 hex digits>+<base64>`");
  const bytes = strictBase64(encoded);
  if (bytes?.length !== 1 + KEY_BYTES) throw refused("its last part is not base64 of a type and a key of 32 bytes");
  const [type = 0] = bytes;
  if (type !== TYPES.ed25519 && type !== TYPES.cosignature) throw refused(`its type ${type} is not known here`);
  const verifier = verifierOf(name, type, bytes.subarray(1));
  if (verifier.id !== id) throw refused(`its id is \`${verifier.id}\`, not \`${id}\``);
  return verifier;
}

/** @param key 32 bytes */
function verifierOf(name: string, type: number, key: Buffer): Verifier {
  const typed = Buffer.concat([Buffer.of(type), key]);
  const id = keyId(name, typed);
  const publicKey = createPublicKey({ key: Buffer.concat([SPKI, key]), format: "der", type: "spki" });
  const check =
    type === TYPES.cosignature
      ? (text: string, signature: Buffer) => verifyCosignature(publicKey, text, signature)
      : (text: string, signature: Buffer) => verifyEd25519(publicKey, Buffer.from(text), signature);
  return { name, id, vkey: `${name}+${id}+${typed.toString("base64")}`, verify: check };
}

/**
 * Ed25519 as RFC 8032 with the leniency that nearly all verifiers share ("ref10"); another verifier of the same log comes to
 * the same answer.
 */
export function verifyEd25519(key: KeyObject, message: Buffer, signature: Buffer): boolean {
  return signature.length === SIGNATURE_BYTES && verify(null, message, key, signature);
}

/** C2SP tlog-cosignature: the time that a witness saw the checkpoint, and a signature of both. */
function verifyCosignature(key: KeyObject, text: string, signature: Buffer): boolean {
  if (signature.length !== TIME_BYTES + SIGNATURE_BYTES) return false;
  const signed = `cosignature/v1\ntime ${signature.readBigUInt64BE()}\n${text}`;
  return verifyEd25519(key, Buffer.from(signed), signature.subarray(TIME_BYTES));
}

/** Signs checkpoints of other logs with the time at which it saw them. */
export interface TimedSigner {
  verifier: Verifier;
  /** @param seconds since the epoch @returns the signature's line, with its newline */
  line: (text: string, seconds: number) => string;
}

/**
 * The signer of a witness (C2SP tlog-cosignature) from its private key.
 * @param pem PKCS #8
 * @throws NoteError `key_refused`
 */
export function readCosigner(name: string, pem: string | Buffer): TimedSigner {
  const key = ed25519Of(name, pem, `the key of witness \`${name}\``);
  const verifier = verifierOf(name, TYPES.cosignature, rawPublic(key));
  return {
    verifier,
    line: (text, seconds) => {
      const time = Buffer.alloc(TIME_BYTES);
      time.writeBigUInt64BE(BigInt(seconds));
      const signature = sign(null, Buffer.from(`cosignature/v1\ntime ${seconds}\n${text}`), key);
      return `\u2014 ${name} ${Buffer.concat([Buffer.from(verifier.id, "hex"), time, signature]).toString("base64")}\n`;
    },
  };
}

/**
 * The signer of a log from its private key.
 * @param origin the log's; the key's name
 * @param pem PKCS #8
 * @throws NoteError `key_refused`
 */
export function readSigner(origin: string, pem: string | Buffer): Signer {
  const key = ed25519Of(origin, pem, `the key of log \`${origin}\``);
  const verifier = verifierOf(origin, TYPES.ed25519, rawPublic(key));
  const id = Buffer.from(verifier.id, "hex");
  return {
    verifier,
    line: (text) => {
      const signature = Buffer.concat([id, sign(null, Buffer.from(text), key)]);
      return `\u2014 ${origin} ${signature.toString("base64")}\n`;
    },
  };
}

/** @param what names the key in errors @throws NoteError `key_refused` */
function ed25519Of(name: string, pem: string | Buffer, what: string): KeyObject {
  const refused = (why: string, options?: ErrorOptions): NoteError => new NoteError("key_refused", `${what}: ${why}`, options);
  if (!isName(name)) throw refused("its name has neither spaces nor `+`");
  let key: KeyObject;
  try {
    key = createPrivateKey(pem);
  } catch (cause) {
    throw refused("not a private key in PEM form", { cause });
  }
  const kind = key.asymmetricKeyType;
  if (kind !== "ed25519") throw refused(`it is ${kind ?? "of no kind"}, which signs something else: it needs an Ed25519 key of its own`);
  return key;
}

/** @returns a fresh private key for `readSigner`, PKCS #8 as PEM */
export function generateSignerPem(): string {
  return generateKeyPairSync("ed25519").privateKey.export({ type: "pkcs8", format: "pem" }).toString();
}

/**
 * The text with a signature of each key.
 * @param text ends in a newline and has no other control characters
 */
export function signNote(text: string, signers: readonly Signer[]): string {
  if (!isText(text)) throw new NoteError("note_malformed", "a note's text ends in a newline and has no other control characters");
  return `${text}\n${signers.map(({ line }) => line(text)).join("")}`;
}

/**
 * The text of a note that at least one trusted key has signed. Signatures of others are passed over.
 * @throws NoteError `note_malformed`, `note_unsigned`, `note_forged`, `keys_ambiguous`
 */
export function openNote(note: string | Uint8Array, trusted: readonly Verifier[]): VerifiedNote {
  const { text, signatures } = parseNote(note);
  const by = new Set<Verifier>();
  const others: VerifiedNote["others"][number][] = [];
  for (const { name, id, signature } of signatures) {
    const known = trusted.filter((key) => key.name === name && key.id === id);
    const [key] = known;
    if (known.length > 1) throw new NoteError("keys_ambiguous", `two trusted keys are \`${name}+${id}\``);
    if (key === undefined) {
      others.push({ name, id });
      continue;
    }
    if (by.has(key)) continue;
    if (!key.verify(text, signature)) throw new NoteError("note_forged", `the signature of \`${name}+${id}\` is not by that key`);
    by.add(key);
  }
  if (by.size === 0) {
    const named = others.map(({ name, id }) => `\`${name}+${id}\``).join(", ");
    throw new NoteError("note_unsigned", `no trusted key has signed it, only ${named}`);
  }
  return { text, by: [...by], others };
}

interface SignedText {
  text: string;
  signatures: { name: string; id: string; signature: Buffer }[];
}

/**
 * A note's text, signed by whomever: nothing of it is proven.
 * @throws NoteError `note_malformed`
 */
export function parseNote(note: string | Uint8Array): SignedText {
  const malformed = (why: string, options?: ErrorOptions): NoteError =>
    new NoteError("note_malformed", `not a signed note: ${why}`, options);
  if (note.length > NOTE_BYTES_MAX) throw malformed(`it is longer than ${NOTE_BYTES_MAX} bytes`);
  const whole = decode(note, malformed);
  const end = whole.lastIndexOf("\n\n");
  if (end < 0) throw malformed("no empty line before the signatures");
  const text = whole.slice(0, end + 1);
  const block = whole.slice(end + 2);
  if (!isText(whole)) throw malformed("it does not end in a newline, or has other control characters");
  const lines = block.split("\n").slice(0, -1);
  if (lines.length === 0 || lines.length > SIGNATURES_MAX) throw malformed(`it has ${lines.length} signatures, not 1 to ${SIGNATURES_MAX}`);
  const signatures = lines.map((line) => {
    const [, name = "", encoded = ""] = /^\u2014 ([^ ]+) ([^ ]+)$/.exec(line) ?? [];
    const bytes = strictBase64(encoded);
    if (!isName(name) || bytes === null || bytes.length <= ID_BYTES) throw malformed("a line is not a signature");
    return { name, id: bytes.toString("hex", 0, ID_BYTES), signature: bytes.subarray(ID_BYTES) };
  });
  return { text, signatures };
}

function decode(note: string | Uint8Array, malformed: (why: string, options?: ErrorOptions) => NoteError): string {
  if (typeof note === "string") {
    if (!LONE_SURROGATE.test(note)) return note;
    throw malformed("it is not Unicode text");
  }
  try {
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(note);
  } catch (cause) {
    throw malformed("it is not UTF-8", { cause });
  }
}

function isText(text: string): boolean {
  return text.endsWith("\n") && !/[\u0000-\u0009\u000b-\u001f]/.test(text);
}

function isName(name: string): boolean {
  return !/^$|[\s\u0085+]/u.test(name) && !LONE_SURROGATE.test(name) && isText(`${name}\n`);
}

/** @param typed the type's byte and the key */
function keyId(name: string, typed: Buffer): string {
  return createHash("sha256").update(`${name}\n`).update(typed).digest().toString("hex", 0, ID_BYTES);
}

function rawPublic(key: KeyObject): Buffer {
  return createPublicKey(key).export({ format: "der", type: "spki" }).subarray(SPKI.length);
}

/** @returns null for anything but the one base64 text that some bytes have */
function strictBase64(text: string): Buffer | null {
  const bytes = Buffer.from(text, "base64");
  return bytes.toString("base64") === text ? bytes : null;
}
