/** Tokens that must open nothing: what goes by them is forged, altered, of someone else, or for something else. */
import { generateKeyPairSync } from "node:crypto";
import jwt from "jsonwebtoken";
import type { TokenFault } from "../../src/identity/faults.js";
import {
  AGENT_AUDIENCE,
  AUDIENCE,
  ISSUER,
  NOW_S,
  OTHER_ISSUER,
  SPIFFE_ISSUER,
  agents,
  callers,
  ec,
  others,
  otherEc,
  rsa,
  strangerEc,
  svids,
  taskEc,
  tasks,
  type Tokens,
} from "./tokens.js";

export type Kind = "caller" | "agent" | "task";

export interface Forgery {
  what: string;
  kinds: readonly Kind[];
  /** The fault that refuses it; "expired" has a code of its own. */
  fault: TokenFault | "expired";
  make: (of: Tokens) => string;
}

export const TOKENS: Readonly<Record<Kind, Tokens>> = { caller: callers, agent: agents, task: tasks };

const b64 = (text: string): string => Buffer.from(text).toString("base64url");
const publicPem = (of: Tokens): string | Buffer => (of === tasks ? taskEc : ec).publicKey.export({ type: "spki", format: "pem" });
const rsaPem = rsa.publicKey.export({ type: "spki", format: "pem" });
const weak = generateKeyPairSync("rsa", { modulusLength: 1024 });
const nested = (depth: number): unknown => (depth === 0 ? undefined : { sub: `a-${depth}`, act: nested(depth - 1) });
const text = ({ claims }: Tokens): string => JSON.stringify(claims);
const unsigned = (of: Tokens, header: object): string => `${b64(JSON.stringify(header))}.${b64(text(of))}`;
const parts = (of: Tokens): [header: string, payload: string, signature: string] => of.token().split(".") as [string, string, string];
const resigned = (of: Tokens, change: (signature: Buffer) => Buffer): string =>
  [...parts(of).slice(0, 2), change(Buffer.from(parts(of)[2], "base64url")).toString("base64url")].join(".");

type Row = [what: string, fault: TokenFault | "expired", make: (of: Tokens) => string];

/** For tokens of every kind. */
// prettier-ignore
const EVERY: readonly Row[] = [
  // the algorithm
  ["none, unsigned", "form", (of) => `${unsigned(of, { alg: "none" })}.`],
  ["none, with a key's id", "form", (of) => `${unsigned(of, { ...of.header, alg: "none" })}.`],
  ["none, with a signature left on", "algorithm", (of) => `${unsigned(of, { ...of.header, alg: "none" })}.${parts(of)[2]}`],
  ["None", "algorithm", (of) => of.token({}, { alg: "None" })],
  ["HS256 with the public key's PEM", "algorithm", (of) => of.hmac("sha256", publicPem(of), { alg: "HS256" })],
  ["HS512 with the public key's PEM", "algorithm", (of) => of.hmac("sha512", publicPem(of), { alg: "HS512" })],
  ["HS256 signed, ES256 claimed", "signature", (of) => of.hmac("sha256", publicPem(of), {})],
  ["HS256 with an empty secret", "algorithm", (of) => of.hmac("sha256", "", { alg: "HS256" })],
  ["an algorithm that isn't the key's", "algorithm", (of) => of.token({}, { alg: "RS256" })],
  ["another algorithm with this key's id", "algorithm", (of) => of.tokenOf(text(of), JSON.stringify({ ...of.header, alg: "RS256" }), rsa.privateKey)],
  ["an algorithm of the same family", "algorithm", (of) => of.token({}, { alg: "ES384" })],
  ["es256", "algorithm", (of) => of.token({}, { alg: "es256" })],
  ["no algorithm", "header", (of) => of.token({}, { alg: undefined })],
  ["an algorithm that is a list", "header", (of) => of.token({}, { alg: ["ES256"] })],
  // the key
  ["another key", "signature", (of) => of.token({}, {}, strangerEc.privateKey)],
  ["an unknown key id", "key", (of) => of.token({}, { kid: "ec-2" })],
  ["no key id where it is needed", "key", (of) => of.token({}, { kid: undefined })],
  ["a key id that is a path", "key", (of) => of.token({}, { kid: "../../../dev/null" })],
  ["a key id that is a URL", "key", (of) => of.token({}, { kid: "https://evil.example/key" })],
  ["a key id with SQL", "key", (of) => of.token({}, { kid: "' UNION SELECT 'x" })],
  ["the key id __proto__", "key", (of) => of.tokenOf(text(of), `${JSON.stringify({ ...of.header, kid: undefined }).slice(0, -1)},"kid":"__proto__"}`)],
  ["the key id constructor", "key", (of) => of.token({}, { kid: "constructor" })],
  ["a key id that is a number", "header", (of) => of.token({}, { kid: 1 })],
  ["a key id that is null", "header", (of) => of.token({}, { kid: null })],
  ["an empty key id", "header", (of) => of.token({}, { kid: "" })],
  ["an endless key id", "header", (of) => of.token({}, { kid: "k".repeat(300) })],
  ["its own key", "header", (of) => of.token({}, { jwk: strangerEc.publicKey.export({ format: "jwk" }) }, strangerEc.privateKey)],
  ["its own key beside a good signature", "header", (of) => of.token({}, { jwk: {} })],
  ["an address of keys", "header", (of) => of.token({}, { jku: "https://evil.example/jwks" })],
  ["an address of certificates", "header", (of) => of.token({}, { x5u: "https://evil.example/c" })],
  ["its own certificates", "header", (of) => of.token({}, { x5c: ["MII="] })],
  // the header
  ["a critical extension", "header", (of) => of.token({}, { crit: ["exp"] })],
  ["an empty list of critical extensions", "header", (of) => of.token({}, { crit: [] })],
  ["an unencoded payload (RFC 7797)", "header", (of) => of.token({}, { b64: false })],
  ["a compressed payload", "header", (of) => of.token({}, { zip: "DEF" })],
  ["an encrypted payload", "header", (of) => of.token({}, { enc: "A256GCM" })],
  ...["dpop+jwt", "logout+jwt", "secevent+jwt", "txntoken+jwt", "wit+jwt", "wpt+jwt", "oauth-authz-req+jwt", "JWE", "jwt ", "", "remit-task", "REMIT-TASK+JWT"].map(
    (typ): Row => [`the type \`${typ}\``, "header", (of) => of.token({}, { typ: typ === "" ? null : typ })],
  ),
  ["a type in a list", "header", (of) => of.token({}, { typ: [of.header["typ"]] })],
  ["a header with a member twice", "json", (of) => of.tokenOf(text(of), JSON.stringify(of.header).replace("{", '{"alg":"none",'))],
  ["a header that is a list", "header", (of) => of.tokenOf(text(of), "[]")],
  ["a header that is no JSON", "json", (of) => of.tokenOf(text(of), "{")],
  // the claims
  ["no expiry", "claims", (of) => of.token({ exp: undefined })],
  ["an expiry as text", "claims", (of) => of.token({ exp: String(NOW_S + 600) })],
  ["an expiry that is null", "claims", (of) => of.token({ exp: null })],
  ["an expiry below zero", "claims", (of) => of.token({ exp: -1 })],
  ["an expiry in milliseconds", "claims", (of) => of.token({ exp: (NOW_S + 600) * 1000 })],
  ["an expiry beyond the longest lifetime", "lifetime", (of) => of.token({ exp: NOW_S + 86_406 })],
  ["an expiry in ten years", "lifetime", (of) => of.token({ exp: NOW_S + 315_360_000 })],
  ["an expiry of 1e308", "json", (of) => of.tokenOf(text(of).replace(String(of.claims.exp), "1e308"))],
  ["an expiry of 1e400", "json", (of) => of.tokenOf(text(of).replace(String(of.claims.exp), "1e400"))],
  ["an expiry of now, less the leeway", "expired", (of) => of.token({ exp: NOW_S - 5 })],
  ["an expiry an hour ago", "expired", (of) => of.token({ exp: NOW_S - 3600 })],
  ["an expiry of zero", "expired", (of) => of.token({ exp: 0 })],
  ["a start in the future", "start", (of) => of.token({ nbf: NOW_S + 60 })],
  ["a start as text", "claims", (of) => of.token({ nbf: "now" })],
  ["issued in the future", "start", (of) => of.token({ iat: NOW_S + 6 })],
  ["issued far in the future", "start", (of) => of.token({ iat: NOW_S + 400 })],
  ["an issue time as text", "claims", (of) => of.token({ iat: "now" })],
  ["another audience", "audience", (of) => of.token({ aud: "other" })],
  ["an audience that only begins alike", "audience", (of) => of.token({ aud: `${String(of.claims["aud"])}2` })],
  ["an audience in capitals", "audience", (of) => of.token({ aud: String(of.claims["aud"]).toUpperCase() })],
  ["no audience", "audience", (of) => of.token({ aud: undefined })],
  ["an empty list of audiences", "audience", (of) => of.token({ aud: [] })],
  ["an audience that is an object", "audience", (of) => of.token({ aud: { remit: true } })],
  ["a list with an audience that is none", "claims", (of) => of.token({ aud: [of.claims["aud"], 1] })],
  ["no subject", "claims", (of) => of.token({ sub: undefined })],
  ["an empty subject", "claims", (of) => of.token({ sub: "" })],
  ["a subject that is a number", "claims", (of) => of.token({ sub: 7 })],
  ["a subject with a line break", "subject", (of) => of.token({ sub: "gateway\n1" })],
  ["a subject that reads backwards", "subject", (of) => of.token({ sub: "gateway-\u202e1" })],
  ["a subject in another normal form", "subject", (of) => of.token({ sub: "gateway-e\u0301" })],
  ["an endless subject", "claims", (of) => of.token({ sub: "s".repeat(300) })],
  ["a token id that is a number", "claims", (of) => of.token({ jti: 7 })],
  ["an empty token id", "claims", (of) => of.token({ jti: "" })],
  ["a token id that no one can see", "subject", (of) => of.token({ jti: "\u200b" })],
  ["a claim twice", "json", (of) => of.tokenOf(text(of).replace("{", '{"sub":"admin",'))],
  ["a claim twice, once escaped", "json", (of) => of.tokenOf(text(of).replace("{", '{"\\u0073ub":"admin",'))],
  ["no JSON as payload", "json", (of) => of.tokenOf("hello")],
  ["a payload that goes on after its end", "json", (of) => of.tokenOf(`${text(of)} {}`)],
  ["a payload without end of depth", "json", (of) => of.token({ deep: JSON.parse("[".repeat(20) + "]".repeat(20)) as unknown })],
  ["half of a surrogate pair", "json", (of) => of.tokenOf(text(of).replace("{", '{"x":"\\ud800",'))],
  ["invalid UTF-8 in its payload", "json", (of) => of.tokenOf(Buffer.concat([Buffer.from(text(of).slice(0, -1)), Buffer.from([0x2c, 0x22, 0xff, 0x22, 0x3a, 0x31, 0x7d])]))],
  // the form
  ["no text", "form", () => ""],
  ["two parts", "form", (of) => parts(of).slice(0, 2).join(".")],
  ["four parts", "form", (of) => `${of.token()}.${parts(of)[2]}`],
  ["an empty signature", "form", (of) => `${parts(of).slice(0, 2).join(".")}.`],
  ["the signature of another payload", "signature", (of) => `${parts(of)[0]}.${of.token({ sub: "admin" }).split(".")[1] ?? ""}.${parts(of)[2]}`],
  ["the signature of another header", "signature", (of) => `${b64(JSON.stringify({ ...of.header, x: 1 }))}.${parts(of)[1]}.${parts(of)[2]}`],
  ["a signature of zeros", "signature", (of) => `${parts(of)[0]}.${parts(of)[1]}.${Buffer.alloc(64).toString("base64url")}`],
  ["a signature cut short", "signature", (of) => resigned(of, (bytes) => bytes.subarray(0, 60))],
  ["a signature twice", "signature", (of) => resigned(of, (bytes) => Buffer.concat([bytes, bytes]))],
  ["a signature in DER form", "signature", (of) => `${parts(of)[0]}.${parts(of)[1]}.${b64("\u0030\u0006\u0002\u0001\u0001\u0002\u0001\u0001")}`],
  ["padding", "form", (of) => `${of.token()}=`],
  ["the alphabet of plain base64", "form", (of) => `${parts(of)[0]}.${parts(of)[1]}.${Buffer.alloc(64, 0xff).toString("base64")}`],
  ["white space", "form", (of) => ` ${parts(of)[0]} .${parts(of)[1]}.${parts(of)[2]}`],
  ["a line break at its end", "form", (of) => `${of.token()}\n`],
  ["the JSON serialization", "form", (of) => JSON.stringify({ payload: parts(of)[1], protected: parts(of)[0], signature: parts(of)[2] })],
  ["an encrypted token's form", "form", () => "a.b.c.d.e"],
  ["more bytes than the limit", "size", (of) => of.token({ pad: "x".repeat(4096) })],
];

/** For tokens that an issuer of the configuration signs. */
const ISSUED: readonly Row[] = [
  ["HS256 with the RSA key's PEM", "algorithm", (of) => of.hmac("sha256", rsaPem, { alg: "HS256", kid: "rsa-1" })],
  ["PS256 of an RS256 key", "algorithm", ({ claims }) => jwt.sign({ ...claims }, rsa.privateKey, { algorithm: "PS256", keyid: "rsa-1" })],
  ["RS512 of an RS256 key", "algorithm", ({ claims }) => jwt.sign({ ...claims }, rsa.privateKey, { algorithm: "RS512", keyid: "rsa-1" })],
  ["a weak key", "signature", (of) => of.tokenOf(text(of), JSON.stringify({ alg: "RS256", kid: "rsa-1" }), weak.privateKey)],
  ["another issuer", "issuer", (of) => of.token({ iss: "https://evil.example" })],
  ["the issuer with a slash more", "issuer", (of) => of.token({ iss: `${ISSUER}/` })],
  ["the issuer in capitals", "issuer", (of) => of.token({ iss: ISSUER.toUpperCase() })],
  ["the issuer __proto__", "issuer", (of) => of.tokenOf(text(of).replace(ISSUER, "__proto__"))],
  ["an issuer in a list", "issuer", (of) => of.token({ iss: [ISSUER] })],
  ["no issuer", "issuer", (of) => of.token({ iss: undefined })],
  ["the issuer of task tokens", "issuer", (of) => of.token({ iss: "urn:remit:tasks" })],
  ["text as payload", "issuer", (of) => of.tokenOf('"hello"')],
  ["a list as payload", "issuer", (of) => of.tokenOf("[]")],
  ["null as payload", "issuer", (of) => of.tokenOf("null")],
  ["a scope that is a number", "claims", (of) => of.token({ scope: 7 })],
  ["a scope that is a list of lists", "claims", (of) => of.token({ scope: [["remit:decide"]] })],
  [
    "bound to a key by its thumbprint (RFC 9449)",
    "bound",
    (of) => of.token({ cnf: { jkt: "0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I" } }),
  ],
  ["bound to a certificate (RFC 8705)", "bound", (of) => of.token({ cnf: { "x5t#S256": "A4DtL2JmUMhAsvJj5tKyn64SqzmuXbMrJa0n761y5v0" } })],
  ["bound to nothing that it says", "bound", (of) => of.token({ cnf: null })],
  ["the audiences of both uses", "audience", (of) => of.token({ aud: [AUDIENCE, AGENT_AUDIENCE] })],
  ["the audience of task tokens as well", "audience", (of) => of.token({ aud: [of.claims["aud"], "urn:remit:task"] })],
  ["the type of task tokens", "header", (of) => of.token({}, { typ: "remit-task+jwt" })],
  ["the type of JWT-SVIDs alone", "header", (of) => of.token({}, { typ: "JOSE" })],
  ["a task token", "header", () => tasks.token()],
  ["a task token with another type", "issuer", () => tasks.token({}, { typ: "JWT" })],
  ["a task token in this issuer's name", "key", (of) => tasks.token({ ...of.claims }, { typ: "JWT" })],
  ["signed with the task tokens' key", "signature", (of) => of.token({}, {}, taskEc.privateKey)],
  ["signed by another issuer", "signature", (of) => of.token({}, {}, otherEc.privateKey)],
  ["signed for a trust domain, in this issuer's name", "key", (of) => svids.token({ ...of.claims })],
];

const CALLERS: readonly Row[] = [
  ["an agent's token", "audience", () => agents.token()],
  ["an agent's token with every scope", "audience", () => agents.token({ scope: "remit:decide remit:admin" })],
  ["a token of an issuer that has no callers", "issuer", () => others.token({ aud: AUDIENCE })],
  ["a JWT-SVID", "issuer", () => svids.token({ aud: AUDIENCE })],
  ["an actor", "actors", (of) => of.token({ act: { sub: "agent-7" } })],
  ["an actor that is none", "actors", (of) => of.token({ act: null })],
];

const AGENTS: readonly Row[] = [
  ["a caller's token", "audience", () => callers.token()],
  ["an expiry of this second", "expired", (of) => of.token({ exp: NOW_S })],
  ["an expiry within a caller's leeway", "expired", (of) => of.token({ exp: NOW_S - 1 })],
  ["an actor that is a text", "actors", (of) => of.token({ act: "agent-7" })],
  ["an actor that is null", "actors", (of) => of.token({ act: null })],
  ["an actor that is a list", "actors", (of) => of.token({ act: [{ sub: "agent-7" }] })],
  ["an actor without subject", "actors", (of) => of.token({ act: {} })],
  ["an actor with an issuer alone", "actors", (of) => of.token({ act: { iss: ISSUER } })],
  ["an actor that is a number", "actors", (of) => of.token({ act: { sub: 7 } })],
  ["an actor without name", "actors", (of) => of.token({ act: { sub: "" } })],
  ["an actor in no canonical form", "actors", (of) => of.token({ act: { sub: "agent\u200b-7" } })],
  ["an endless actor", "actors", (of) => of.token({ act: { sub: "s".repeat(300) } })],
  ["an actor of another issuer", "actors", (of) => of.token({ act: { sub: "agent-9", iss: OTHER_ISSUER } })],
  ["an actor of the trust domain's issuer", "actors", (of) => of.token({ act: { sub: "spiffe://example.org/a", iss: SPIFFE_ISSUER } })],
  ["an actor whose issuer is a list", "actors", (of) => of.token({ act: { sub: "agent-9", iss: [ISSUER] } })],
  ["an earlier actor that is a text", "actors", (of) => of.token({ act: { sub: "a", act: "b" } })],
  ["an earlier actor that is null", "actors", (of) => of.token({ act: { sub: "a", act: null } })],
  ["an earlier actor without subject", "actors", (of) => of.token({ act: { sub: "a", act: { sub: "b", act: {} } } })],
  ["an earlier actor in no canonical form", "actors", (of) => of.token({ act: { sub: "a", act: { sub: " b" } } })],
  ["more actors than may be", "actors", (of) => of.token({ act: nested(5) })],
  ["actors without end", "json", (of) => of.token({ act: nested(20) })],
  ["a SPIFFE id without its trust domain", "spiffe", (of) => of.token({ sub: "spiffe://example.org/agents/support-7" })],
  ["a SPIFFE id in capitals", "spiffe", (of) => of.token({ sub: "SPIFFE://example.org/agents/support-7" })],
  ["a SPIFFE id as actor", "spiffe", (of) => of.token({ act: { sub: "spiffe://example.org/agents/support-7" } })],
  ["another issuer's token signed by this one's key", "signature", () => others.token({}, {}, ec.privateKey)],
  ["another issuer's token of an unknown key", "key", () => others.token({}, { kid: "rsa-1" }, rsa.privateKey)],
  ["a JWT-SVID of another trust domain", "issuer", () => svids.token({ sub: "spiffe://example.com/agents/support-7" })],
  [
    "a JWT-SVID of another trust domain, in the issuer's name",
    "spiffe",
    () => svids.token({ iss: SPIFFE_ISSUER, sub: "spiffe://example.com/agents/support-7" }),
  ],
  [
    "a JWT-SVID of a trust domain that only begins alike",
    "issuer",
    () => svids.token({ sub: "spiffe://example.org.evil/agents/support-7" }),
  ],
  ["a JWT-SVID whose subject is no SPIFFE id", "spiffe", () => svids.token({ iss: SPIFFE_ISSUER, sub: "support-7" })],
  ["a JWT-SVID of the trust domain itself", "spiffe", () => svids.token({ iss: SPIFFE_ISSUER, sub: "spiffe://example.org" })],
  ...["/", "/a/", "//a", "/a/../b", "/.", "/a%2fb", "/a b", "/a?b", "/a#b", "/ä", ":8443/a", "@evil/a"].map((path): Row => [
    `a JWT-SVID with the path \`${path}\``,
    "spiffe",
    () => svids.token({ iss: SPIFFE_ISSUER, sub: `spiffe://example.org${path}` }),
  ]),
  ["a JWT-SVID with a scheme in capitals", "spiffe", () => svids.token({ iss: SPIFFE_ISSUER, sub: "SPIFFE://example.org/a" })],
  ["a JWT-SVID with another issuer", "issuer", () => svids.token({ iss: "https://evil.example" })],
  ["a JWT-SVID with an issuer that is null", "issuer", () => svids.token({ iss: null })],
  ["a JWT-SVID with an actor", "spiffe", () => svids.token({ act: { sub: "agent-7" } })],
  ["a JWT-SVID with a header member more", "header", () => svids.token({}, { cty: "JWT" })],
  ["a JWT-SVID of another type", "header", () => svids.token({}, { typ: "at+jwt" })],
  ["a JWT-SVID without audience", "audience", () => svids.token({ aud: undefined })],
  ["a JWT-SVID of an issuer's key", "key", () => svids.token({}, { kid: "ec-1" }, ec.privateKey)],
  ["a JWT-SVID of another key", "signature", () => svids.token({}, {}, ec.privateKey)],
  ["a JWT-SVID that has expired", "expired", () => svids.token({ exp: NOW_S })],
];

const TASKS: readonly Row[] = [
  ["a caller's token", "header", () => callers.token()],
  ["an agent's token", "header", () => agents.token()],
  ["a JWT-SVID", "header", () => svids.token()],
  ["a caller's token with its type", "key", () => callers.token({}, { typ: "remit-task+jwt" })],
  ["an agent's token with its type and key id", "signature", () => agents.token({}, { typ: "remit-task+jwt", kid: "task-1" })],
  ["signed by an issuer", "signature", (of) => of.token({}, {}, ec.privateKey)],
  ["signed by an issuer, which it names", "key", (of) => of.token({ iss: ISSUER }, { kid: "ec-1" }, ec.privateKey)],
  ["no type", "header", (of) => of.token({}, { typ: undefined })],
  ["the type of any JWT", "header", (of) => of.token({}, { typ: "JWT" })],
  ["another issuer", "issuer", (of) => of.token({ iss: ISSUER })],
  ["no issuer", "issuer", (of) => of.token({ iss: undefined })],
  ["text as payload", "audience", (of) => of.tokenOf('"hello"')],
  ["a list as payload", "audience", (of) => of.tokenOf("[]")],
  ["its audience in a list", "claims", (of) => of.token({ aud: ["urn:remit:task"] })],
  ["the audience of callers", "audience", (of) => of.token({ aud: AUDIENCE })],
  ["an expiry of this second", "expired", (of) => of.token({ exp: NOW_S })],
  ["an expiry beyond its longest lifetime", "lifetime", (of) => of.token({ exp: NOW_S + 3606 })],
  ["no agent", "claims", (of) => of.token({ agent: undefined })],
  ["an agent that is a list", "claims", (of) => of.token({ agent: ["agent-7"] })],
  ["an agent that no one can see", "subject", (of) => of.token({ agent: "\u2060" })],
  ["no purpose", "claims", (of) => of.token({ purpose: undefined })],
  ["a purpose in no canonical form", "subject", (of) => of.token({ purpose: "support " })],
  ["no time of issue", "claims", (of) => of.token({ iat: undefined })],
  ["no token id", "claims", (of) => of.token({ jti: undefined })],
];

const rows = (table: readonly Row[], ...kinds: Kind[]): Forgery[] => table.map(([what, fault, make]) => ({ what, kinds, fault, make }));

export const FORGED: readonly Forgery[] = [
  ...rows(EVERY, "caller", "agent", "task"),
  ...rows(ISSUED, "caller", "agent"),
  ...rows(CALLERS, "caller"),
  ...rows(AGENTS, "agent"),
  ...rows(TASKS, "task"),
];

/** A good token with one byte changed, and which. */
export function* altered(good: string): Generator<[byte: number, altered: string]> {
  const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.=+/ ~";
  for (let at = 0; at < good.length; at++) {
    // The neighbour in the alphabet flips the lowest bit, which the last character of a part may not carry.
    const index = alphabet.indexOf(good.charAt(at));
    for (const other of [alphabet[index ^ 1], alphabet[(index + 31) % alphabet.length], "."]) {
      if (other !== undefined && other !== good[at]) yield [at, good.slice(0, at) + other + good.slice(at + 1)];
    }
  }
}
