/** Tokens that must open nothing: what goes by them is forged, altered, of someone else, or for something else. */
import { generateKeyPairSync } from "node:crypto";
import jwt from "jsonwebtoken";
import { ISSUER, NOW_S, claims, ec, header, hmacToken, otherEc, rsa, signed, token, tokenOf } from "./tokens.js";

const b64 = (text: string): string => Buffer.from(text).toString("base64url");
const pem = ec.publicKey.export({ type: "spki", format: "pem" });
const rsaPem = rsa.publicKey.export({ type: "spki", format: "pem" });
export const GOOD = token();
const good = GOOD;
const [goodHeader = "", goodPayload = "", goodSignature = ""] = good.split(".");
const weak = generateKeyPairSync("rsa", { modulusLength: 1024 });
const payloadText = JSON.stringify(claims);

/** What it is, the code that refuses it, and the token. */
export const FORGED: readonly [what: string, code: string, make: () => string][] = [
  // the algorithm
  ["none, unsigned", "token_invalid", () => `${b64(JSON.stringify({ alg: "none" }))}.${goodPayload}.`],
  ["none, with a key's id", "token_invalid", () => `${b64(JSON.stringify({ ...header, alg: "none" }))}.${goodPayload}.`],
  ["none, with the signature left on", "token_invalid", () => `${b64(JSON.stringify({ ...header, alg: "none" }))}.${goodPayload}.${goodSignature}`],
  ["None", "token_invalid", () => signed(`${b64(JSON.stringify({ ...header, alg: "None" }))}.${goodPayload}`)],
  ["HS256 with the public key's PEM", "token_invalid", () => hmacToken("sha256", pem, { alg: "HS256" })],
  ["HS256 with the RSA key's PEM", "token_invalid", () => hmacToken("sha256", rsaPem, { alg: "HS256", kid: "rsa-1" })],
  ["HS512 with the public key's PEM", "token_invalid", () => hmacToken("sha512", pem, { alg: "HS512" })],
  ["HS256 signed, ES256 claimed", "token_invalid", () => hmacToken("sha256", pem, {})],
  ["HS256 with an empty secret", "token_invalid", () => hmacToken("sha256", "", { alg: "HS256" })],
  ["an algorithm that isn't the key's", "token_invalid", () => token({}, { alg: "RS256" })],
  ["the other key's algorithm with this key", "token_invalid", () => tokenOf(payloadText, JSON.stringify({ alg: "RS256", kid: "ec-1" }), rsa.privateKey)],
  ["PS256 of an RS256 key", "token_invalid", () => jwt.sign({ ...claims }, rsa.privateKey, { algorithm: "PS256", keyid: "rsa-1" })],
  ["RS512 of an RS256 key", "token_invalid", () => jwt.sign({ ...claims }, rsa.privateKey, { algorithm: "RS512", keyid: "rsa-1" })],
  ["es256", "token_invalid", () => token({}, { alg: "es256" })],
  ["no algorithm", "token_invalid", () => token({}, { alg: undefined })],
  ["an algorithm that is a list", "token_invalid", () => token({}, { alg: ["ES256"] })],
  // the key
  ["another key", "token_invalid", () => token({}, {}, otherEc.privateKey)],
  ["a weak key", "token_invalid", () => tokenOf(payloadText, JSON.stringify({ alg: "RS256", kid: "rsa-1" }), weak.privateKey)],
  ["an unknown key id", "token_invalid", () => token({}, { kid: "ec-2" })],
  ["no key id where there are several", "token_invalid", () => token({}, { kid: undefined })],
  ["a key id that is a path", "token_invalid", () => token({}, { kid: "../../../dev/null" })],
  ["a key id that is a URL", "token_invalid", () => token({}, { kid: "https://evil.example/key" })],
  ["a key id with SQL", "token_invalid", () => token({}, { kid: "' UNION SELECT 'x" })],
  ["the key id __proto__", "token_invalid", () => tokenOf(payloadText, '{"alg":"ES256","kid":"__proto__"}')],
  ["the key id constructor", "token_invalid", () => token({}, { kid: "constructor" })],
  ["a key id that is a number", "token_invalid", () => token({}, { kid: 1 })],
  ["a key id that is null", "token_invalid", () => token({}, { kid: null })],
  ["an endless key id", "token_invalid", () => token({}, { kid: "k".repeat(300) })],
  ["its own key", "token_invalid", () => token({}, { jwk: otherEc.publicKey.export({ format: "jwk" }) }, otherEc.privateKey)],
  ["its own key beside a good signature", "token_invalid", () => token({}, { jwk: {} })],
  ["an address of keys", "token_invalid", () => token({}, { jku: "https://evil.example/jwks" })],
  ["an address of certificates", "token_invalid", () => token({}, { x5u: "https://evil.example/c" })],
  ["its own certificates", "token_invalid", () => token({}, { x5c: ["MII="] })],
  // the header
  ["a critical extension", "token_invalid", () => token({}, { crit: ["exp"] })],
  ["an empty list of critical extensions", "token_invalid", () => token({}, { crit: [] })],
  ["an unencoded payload (RFC 7797)", "token_invalid", () => token({}, { b64: false })],
  ["another type", "token_invalid", () => token({}, { typ: "dpop+jwt" })],
  ["a header with a member twice", "token_invalid", () => tokenOf(payloadText, '{"alg":"none","alg":"ES256","kid":"ec-1"}')],
  ["a header that is a list", "token_invalid", () => tokenOf(payloadText, "[]")],
  ["a header that is no JSON", "token_invalid", () => tokenOf(payloadText, "{")],
  // the claims
  ["no expiry", "token_invalid", () => token({ exp: undefined })],
  ["an expiry as text", "token_invalid", () => token({ exp: String(NOW_S + 600) })],
  ["an expiry that is null", "token_invalid", () => token({ exp: null })],
  ["an expiry in milliseconds", "token_invalid", () => token({ exp: (NOW_S + 600) * 1000 })],
  ["an expiry beyond the longest lifetime", "token_invalid", () => token({ exp: NOW_S + 86_406 })],
  ["an expiry in ten years", "token_invalid", () => token({ exp: NOW_S + 315_360_000 })],
  ["an expiry of 1e308", "token_invalid", () => tokenOf(payloadText.replace(String(claims.exp), "1e308"))],
  ["an expiry of 1e400", "token_invalid", () => tokenOf(payloadText.replace(String(claims.exp), "1e400"))],
  ["an expiry below zero", "token_expired", () => token({ exp: -1 })],
  ["an expiry of now, less the leeway", "token_expired", () => token({ exp: NOW_S - 5 })],
  ["an expiry an hour ago", "token_expired", () => token({ exp: NOW_S - 3600 })],
  ["an expiry of zero", "token_expired", () => token({ exp: 0 })],
  ["a start in the future", "token_invalid", () => token({ nbf: NOW_S + 60 })],
  ["a start as text", "token_invalid", () => token({ nbf: "now" })],
  ["issued in the future", "token_invalid", () => token({ iat: NOW_S + 6 })],
  ["issued far in the future", "token_invalid", () => token({ iat: NOW_S + 400 })],
  ["an issue time as text", "token_invalid", () => token({ iat: "now" })],
  ["another issuer", "token_invalid", () => token({ iss: "https://evil.example" })],
  ["the issuer with a slash more", "token_invalid", () => token({ iss: `${ISSUER}/` })],
  ["an issuer in a list", "token_invalid", () => token({ iss: [ISSUER] })],
  ["no issuer", "token_invalid", () => token({ iss: undefined })],
  ["another audience", "token_invalid", () => token({ aud: "other" })],
  ["an audience that only begins alike", "token_invalid", () => token({ aud: "remit2" })],
  ["no audience", "token_invalid", () => token({ aud: undefined })],
  ["an empty list of audiences", "token_invalid", () => token({ aud: [] })],
  ["an audience that is an object", "token_invalid", () => token({ aud: { remit: true } })],
  ["no subject", "token_invalid", () => token({ sub: undefined })],
  ["an empty subject", "token_invalid", () => token({ sub: "" })],
  ["a subject that is a number", "token_invalid", () => token({ sub: 7 })],
  ["a subject with a line break", "token_invalid", () => token({ sub: "gateway\n1" })],
  ["a subject that reads backwards", "token_invalid", () => token({ sub: "gateway-\u202e1" })],
  ["an endless subject", "token_invalid", () => token({ sub: "s".repeat(300) })],
  ["scopes in a list", "token_invalid", () => token({ scope: ["remit:decide"] })],
  ["a claim twice", "token_invalid", () => tokenOf(payloadText.replace("{", '{"sub":"admin",'))],
  ["a claim twice, once escaped", "token_invalid", () => tokenOf(payloadText.replace("{", '{"\\u0073ub":"admin",'))],
  ["text as payload", "token_invalid", () => tokenOf('"hello"')],
  ["a list as payload", "token_invalid", () => tokenOf("[]")],
  ["null as payload", "token_invalid", () => tokenOf("null")],
  ["no JSON as payload", "token_invalid", () => tokenOf("hello")],
  ["invalid UTF-8 in its payload", "token_invalid", () => tokenOf(Buffer.concat([Buffer.from(payloadText.slice(0, -1)), Buffer.from([0x2c, 0x22, 0xff, 0x22, 0x3a, 0x31, 0x7d])]))],
  // the form
  ["no text", "token_invalid", () => ""],
  ["two parts", "token_invalid", () => `${goodHeader}.${goodPayload}`],
  ["four parts", "token_invalid", () => `${good}.${goodSignature}`],
  ["an empty signature", "token_invalid", () => `${goodHeader}.${goodPayload}.`],
  ["the signature of another payload", "token_invalid", () => `${goodHeader}.${token({ sub: "admin" }).split(".")[1] ?? ""}.${goodSignature}`],
  ["a signature of zeros", "token_invalid", () => `${goodHeader}.${goodPayload}.${Buffer.alloc(64).toString("base64url")}`],
  ["a signature cut short", "token_invalid", () => good.slice(0, -4)],
  ["a signature in DER form", "token_invalid", () => `${goodHeader}.${goodPayload}.${b64("\u0030\u0006\u0002\u0001\u0001\u0002\u0001\u0001")}`],
  ["padding", "token_invalid", () => `${good}=`],
  ["the alphabet of plain base64", "token_invalid", () => `${goodHeader}.${goodPayload}.${Buffer.alloc(64, 0xff).toString("base64")}`],
  ["white space", "token_invalid", () => ` ${goodHeader} .${goodPayload}.${goodSignature}`],
  ["an encrypted token's form", "token_invalid", () => "a.b.c.d.e"],
  ["more bytes than the limit", "token_invalid", () => token({ pad: "x".repeat(4096) })],
]; // prettier-ignore

/** The good token with one byte changed, and which. */
export function* altered(): Generator<[byte: number, altered: string]> {
  const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.=+/ ~";
  for (let at = 0; at < good.length; at++) {
    // The neighbour in the alphabet flips the lowest bit, which the last character of a part may not carry.
    const index = alphabet.indexOf(good.charAt(at));
    for (const other of [alphabet[index ^ 1], alphabet[(index + 31) % alphabet.length], "."]) {
      if (other !== undefined && other !== good[at]) yield [at, good.slice(0, at) + other + good.slice(at + 1)];
    }
  }
}
