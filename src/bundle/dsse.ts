/** DSSE envelopes (secure-systems-lab/dsse, protocol 1.0.2), signed with ECDSA P-256 and SHA-256. */
import { sign, verify, type KeyObject } from "node:crypto";
import { Type, type Static } from "../contract/type.js";
import { schemas } from "../system/schemas.js";
import { keyId, type TrustedKeys } from "./signature.js";

/** Bytes of r and s; of a signature of another length the form is DER. */
const RAW_BYTES = 64;
const SIGNATURES_MAX = 16;
const BASE64 = /^[A-Za-z0-9+/_-]*={0,2}$/;

const Envelope = Type.Object({
  payload: Type.String(),
  payloadType: Type.String(),
  // `keyid` is a hint that nobody has signed: it isn't looked at.
  signatures: Type.Array(Type.Object({ sig: Type.String() }), { minItems: 1, maxItems: SIGNATURES_MAX }),
});
const isEnvelope = schemas().compile<Static<typeof Envelope>>(Envelope);

/** The bytes that are signed: `DSSEv1`, then type and body with their lengths in bytes. */
export function preAuthEncoding(type: string, body: Uint8Array): Buffer {
  return Buffer.concat([Buffer.from(`DSSEv1 ${Buffer.byteLength(type)} ${type} ${body.length} `), body]);
}

/** @param key P-256 private key */
export function signEnvelope(type: string, body: Uint8Array, key: KeyObject): string {
  const sig = sign("sha256", preAuthEncoding(type, body), { key, dsaEncoding: "ieee-p1363" }).toString("base64");
  return JSON.stringify({ payload: Buffer.from(body).toString("base64"), payloadType: type, signatures: [{ keyid: keyId(key), sig }] });
}

/**
 * Returns the signed bytes, once one trusted key has signed them as this type.
 * @throws TypeError saying what is wrong
 */
export function openEnvelope(text: string, type: string, keys: TrustedKeys): Buffer {
  let envelope: unknown;
  try {
    envelope = JSON.parse(text);
  } catch (cause) {
    throw new TypeError("not JSON", { cause });
  }
  if (!isEnvelope(envelope)) throw new TypeError("not a DSSE envelope: `payload`, `payloadType`, `signatures`");
  const body = bytesOf(envelope.payload);
  const signed = preAuthEncoding(envelope.payloadType, body);
  const holds = envelope.signatures.some(({ sig }) => [...keys.values()].some((key) => isSignature(signed, bytesOf(sig), key)));
  if (!holds) throw new TypeError("no trusted key has signed it");
  if (envelope.payloadType !== type) throw new TypeError(`of type \`${envelope.payloadType}\`, not \`${type}\``);
  return body;
}

function bytesOf(base64: string): Buffer {
  if (!BASE64.test(base64)) throw new TypeError("not base64");
  return Buffer.from(base64, "base64");
}

function isSignature(signed: Buffer, signature: Buffer, key: KeyObject): boolean {
  return verify("sha256", signed, { key, dsaEncoding: signature.length === RAW_BYTES ? "ieee-p1363" : "der" }, signature);
}
