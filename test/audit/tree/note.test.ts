import { createPublicKey, generateKeyPairSync } from "node:crypto";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect } from "chai";
import {
  generateSignerPem,
  NoteError,
  openNote,
  parseNote,
  readSigner,
  readVerifier,
  signNote,
  verifyEd25519,
} from "../../../src/audit/tree/note.js";
import { generateKeys } from "../../../src/cli/policy/keys.js";
import { signerPemOf } from "../sealing.js";
import { temporaryDirectory } from "../temporary.js";
import { vectors } from "./vectors.js";

interface OpenVector {
  name: string;
  note?: string;
  noteBase64?: string;
  noteRepeat?: { head: string; line: string; count: number };
  keys: string[];
  result: "ok" | "malformed" | "invalid-signature" | "ambiguous-key" | "no-verifiable-signature";
  verified?: string[];
  unverified?: string[];
}

interface NoteVectors {
  example: { vkey: string; note: string };
  sign: { skey: string; vkey: string; text: string; want: string };
  badVkeys: string[];
  open: OpenVector[];
  checkpointFormatExample: string;
  cosignatureVkeys: { ok: string[]; bad: string[] };
}

interface Ed25519Vector {
  number: number;
  key: string;
  sig: string;
  msg: string;
  flags?: string[] | null;
}

const CODES = {
  malformed: "note_malformed",
  "invalid-signature": "note_forged",
  "ambiguous-key": "keys_ambiguous",
  "no-verifiable-signature": "note_unsigned",
} as const;

function codeOf(act: () => unknown): string {
  try {
    act();
  } catch (error) {
    if (error instanceof NoteError) return error.code;
    throw error;
  }
  return "ok";
}

describe("signed notes", () => {
  const known = vectors("c2sp", "signed-note.json") as NoteVectors;

  it("open the specification's example", () => {
    const { text, by } = openNote(known.example.note, [readVerifier(known.example.vkey)]);
    expect(text).to.equal("This is an example message.\n");
    expect(by.map(({ name }) => name)).to.deep.equal(["example.com/foo"]);
  });

  it("sign as the reference does, to the byte", () => {
    const { skey, vkey, text, want } = known.sign;
    const seed = Buffer.from(skey.split("+").slice(4).join("+"), "base64").subarray(1);
    const signer = readSigner("PeterNeumann", signerPemOf(seed));
    expect(signer.verifier.vkey).to.equal(vkey);
    expect(signNote(text, [signer])).to.equal(want);
  });

  for (const { name, note, noteBase64, noteRepeat, keys, result, verified, unverified } of known.open) {
    it(`answer as the reference does: ${name}`, () => {
      const bytes =
        noteRepeat === undefined
          ? (note ?? Buffer.from(noteBase64 ?? "", "base64"))
          : noteRepeat.head + noteRepeat.line.repeat(noteRepeat.count);
      const trusted = keys.map(readVerifier);
      if (result !== "ok") {
        expect(codeOf(() => openNote(bytes, trusted))).to.equal(CODES[result]);
        return;
      }
      const opened = openNote(bytes, trusted);
      expect(opened.by.map((key) => key.name)).to.deep.equal(verified);
      if (unverified !== undefined) expect(opened.others.map((key) => key.name)).to.deep.equal(unverified);
    });
  }

  it("are read whoever has signed them", () => {
    expect(parseNote(known.checkpointFormatExample).signatures.map(({ name }) => name)).to.deep.equal([
      "example.com/behind-the-sofa",
      "witness.example.com/w1",
    ]);
  });

  it("are refused once they are longer than they may be", () => {
    expect(codeOf(() => parseNote(`${"x".repeat(1_000_000)}\n\n\u2014 a AAAAAAA=\n`))).to.equal("note_malformed");
  });

  it("are refused for text that isn't Unicode", () => {
    expect(codeOf(() => parseNote("\ud800\n\n\u2014 a AAAAAAA=\n"))).to.equal("note_malformed");
  });

  for (const text of ["", "no newline", "a\ttab\n", "a\rreturn\n", "a\0null\n"]) {
    it(`are not signed over ${JSON.stringify(text)}`, () => {
      expect(codeOf(() => signNote(text, [readSigner("log.example", generateSignerPem())]))).to.equal("note_malformed");
    });
  }

  it("carry the signatures of an old key and a new one while they change", () => {
    const [old, fresh] = [generateSignerPem(), generateSignerPem()].map((pem) => readSigner("log.example", pem));
    if (old === undefined || fresh === undefined) throw new Error("there are two");
    const note = signNote("text\n", [old, fresh]);
    for (const trusted of [[old.verifier], [fresh.verifier], [old.verifier, fresh.verifier]])
      expect(openNote(note, trusted).by).to.deep.equal(trusted);
  });
});

describe("verifier keys", () => {
  const known = vectors("c2sp", "signed-note.json") as NoteVectors;
  const good = [known.example.vkey, known.sign.vkey, ...known.cosignatureVkeys.ok];

  it("are printed as they were read", () => {
    for (const vkey of good) expect(readVerifier(vkey).vkey).to.equal(vkey);
  });

  it("are refused where they are bad, cut anywhere, or one byte off", () => {
    const spoiled = good.flatMap((vkey) => [
      ...Array.from({ length: vkey.length }, (_, i) => vkey.slice(0, i)),
      ...Array.from({ length: vkey.length - 1 }, (_, i) => vkey.slice(i + 1)),
      ...Array.from(vkey, (_, i) => `${vkey.slice(0, i)}${String.fromCharCode(vkey.charCodeAt(i) + 1)}${vkey.slice(i + 1)}`),
    ]);
    for (const vkey of [...known.badVkeys, ...known.cosignatureVkeys.bad, ...spoiled])
      expect(
        codeOf(() => readVerifier(vkey)),
        vkey,
      ).to.equal("key_malformed");
  });

  it("tell two logs apart that have the same key", () => {
    const pem = generateSignerPem();
    const [a, b] = ["a.example", "b.example"].map((origin) => readSigner(origin, pem));
    expect(a?.verifier.id).not.to.equal(b?.verifier.id);
  });
});

describe("a log's private key", () => {
  const folder = temporaryDirectory();

  it("is not one that signs bundles", async () => {
    const { private_key } = await generateKeys(join(folder, "bundles"));
    expect(codeOf(() => readSigner("log.example", readFileSync(private_key)))).to.equal("key_refused");
  });

  const pem = { type: "pkcs8", format: "pem" } as const;
  for (const [what, text] of [
    ["P-256, as tokens have", generateKeyPairSync("ec", { namedCurve: "P-256" }).privateKey.export(pem)],
    ["P-384", generateKeyPairSync("ec", { namedCurve: "P-384" }).privateKey.export(pem)],
    ["RSA", generateKeyPairSync("rsa", { modulusLength: 2048 }).privateKey.export(pem)],
    ["Ed448", generateKeyPairSync("ed448").privateKey.export(pem)],
    ["X25519", generateKeyPairSync("x25519").privateKey.export(pem)],
    ["a public key", generateKeyPairSync("ed25519").publicKey.export({ type: "spki", format: "pem" })],
    ["not a key", "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n"],
    ["empty", ""],
  ] as const) {
    it(`is refused where it is ${what}`, () => {
      expect(codeOf(() => readSigner("log.example", text))).to.equal("key_refused");
    });
  }

  for (const origin of ["", "a b", "a+b", "a\u00a0b", "a\u2003b", "a\u0085b", "a\nb", "a\tb", "a\0b", "\ud800"]) {
    it(`is refused for the origin ${JSON.stringify(origin)}`, () => {
      expect(codeOf(() => readSigner(origin, generateSignerPem()))).to.equal("key_refused");
    });
  }
});

describe("Ed25519", () => {
  const known = vectors("ed25519", "ed25519vectors.json") as Ed25519Vector[];

  // OpenSSL 3.5, which Node 24 has, refuses points of low order that RFC 8032 leaves to whoever verifies.
  const [major = 0, minor = 0] = process.versions.openssl.split(".").map(Number);
  const isStricter = major > 3 || minor >= 5;

  it(`accepts and refuses each of the ${known.length} odd signatures as ref10 does, or is stricter where the library is`, () => {
    let accepted = 0;
    for (const { number, key, sig, msg, flags } of known) {
      const der = Buffer.concat([Buffer.from("302a300506032b6570032100", "hex"), Buffer.from(key, "hex")]);
      const publicKey = createPublicKey({ key: der, format: "der", type: "spki" });
      const verified = verifyEd25519(publicKey, Buffer.from(msg), Buffer.from(sig, "hex"));
      const refused = ["non_canonical_R", "low_order_residue"].some((flag) => flags?.includes(flag) === true);
      if (refused || !isStricter || flags === undefined || flags === null || flags.length === 0)
        expect(verified, String(number)).to.equal(!refused);
      if (verified) accepted++;
    }
    expect(accepted).to.be.within(isStricter ? 1 : 208, 208);
  });

  it("takes no signature of another length", () => {
    const { publicKey } = generateKeyPairSync("ed25519");
    for (const length of [0, 63, 65]) expect(verifyEd25519(publicKey, Buffer.from("m"), Buffer.alloc(length))).to.be.false;
  });
});
