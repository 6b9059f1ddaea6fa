import { createPublicKey, sign } from "node:crypto";
import { readFile } from "node:fs/promises";
import { expect } from "chai";
import { openEnvelope, preAuthEncoding, signEnvelope } from "../../src/bundle/dsse.js";
import { republishBundle } from "../../src/bundle/republish.js";
import { BundleError, verifyBundle } from "../../src/bundle/verify.js";
import { asset } from "../../src/system/paths.js";
import { attested, BAD_PROVENANCE, BUILDER, keysOf, TESTS } from "./bad_provenance.js";
import { archive, content, KEY, KEYS, NAME, NOW_MS, signed, STRANGER, type Files, type Json } from "./support.js";

async function codeOf(files: Files, provenanceKeys = keysOf(BUILDER)): Promise<string> {
  try {
    await verifyBundle(await archive(signed(files)), { keys: KEYS, name: NAME, nowMs: NOW_MS, provenanceKeys });
  } catch (error) {
    if (error instanceof BundleError) return error.code;
    throw error;
  }
  return "accepted";
}

describe("the provenance of a bundle", () => {
  it("is accepted from a trusted builder, of these very files, with tests that passed", async () => {
    expect(await codeOf(attested())).to.equal("accepted");
  });

  it("isn't looked at where no builder is configured", async () => {
    const options = { keys: KEYS, name: NAME, nowMs: NOW_MS };
    for (const files of [content(), attested(TESTS, STRANGER)])
      expect((await verifyBundle(await archive(signed(files)), options)).identity.sequence).to.equal(12);
  });

  it("goes with the way back, whose zones and sequence are new", async () => {
    const old = await archive(signed(attested()));
    const { archive: bytes } = await republishBundle(old, { key: KEY, keys: KEYS, sequence: 14, expiresMs: null, builtMs: NOW_MS });
    const again = await verifyBundle(bytes, { keys: KEYS, name: NAME, nowMs: NOW_MS, provenanceKeys: keysOf(BUILDER) });
    expect(again.identity.sequence).to.equal(14);
  });

  for (const [what, code, make] of BAD_PROVENANCE) {
    it(`is asked of a bundle that ${what}: ${code}`, async () => {
      expect(await codeOf(make())).to.equal(code);
    });
  }
});

describe("a DSSE envelope", () => {
  const TYPE = "http://example.com/HelloWorld";

  it("is encoded and verified as its specification's example", async () => {
    const { vector } = JSON.parse(await readFile(asset("test", "vectors", "dsse", "vectors.json"), "utf8")) as {
      vector: { pae: string; payloadType: string; body: string; key: { x: string; y: string }; envelope: object };
    };
    expect(preAuthEncoding(vector.payloadType, Buffer.from(vector.body)).toString()).to.equal(vector.pae);
    const coordinate = (number: string): string => Buffer.from(BigInt(number).toString(16).padStart(64, "0"), "hex").toString("base64url");
    const jwk = { kty: "EC", crv: "P-256", x: coordinate(vector.key.x), y: coordinate(vector.key.y) };
    const key = createPublicKey({ key: jwk, format: "jwk" });
    expect(openEnvelope(JSON.stringify(vector.envelope), TYPE, new Map([["any", key]])).toString()).to.equal("hello world");
  });

  it("counts lengths in bytes", () => {
    expect(preAuthEncoding("ü", Buffer.from("ä")).toString()).to.equal("DSSEv1 2 ü 2 ä");
  });

  it("is opened with a signature in DER or URL-safe base64 too, and with one good signature of several", () => {
    const body = Buffer.from("hello");
    const der = sign("sha256", preAuthEncoding(TYPE, body), BUILDER).toString("base64url");
    const envelope = { payload: body.toString("base64url"), payloadType: TYPE, signatures: [{ sig: "AAAA" }, { sig: der, keyid: "lies" }] };
    expect(openEnvelope(JSON.stringify(envelope), TYPE, keysOf(STRANGER, BUILDER)).toString()).to.equal("hello");
  });

  it("isn't opened once anything of it is changed", () => {
    const good = JSON.parse(signEnvelope(TYPE, Buffer.from("hello"), BUILDER)) as Json;
    const bad: Json[] = [
      { ...good, payload: Buffer.from("hellO").toString("base64") },
      { ...good, payload: "not base64!" },
      { ...good, payloadType: "http://example.com/HelloWorlD" },
      { ...good, signatures: [{ sig: "" }] },
      { ...good, signatures: "none" },
    ];
    for (const one of bad) expect(() => openEnvelope(JSON.stringify(one), TYPE, keysOf(BUILDER))).to.throw(TypeError);
    expect(() => openEnvelope(JSON.stringify(good), TYPE, new Map())).to.throw(TypeError, /no trusted key/);
    expect(() => openEnvelope("{", TYPE, keysOf(BUILDER))).to.throw(TypeError, /not JSON/);
  });
});
