/** Bundles that must be refused, as someone who wishes harm would write them. */
import { gzipSync, gunzipSync } from "node:zlib";
import { generateKeyPairSync, createPublicKey } from "node:crypto";
import { pack, type Header } from "tar-stream";
import { ARCHIVE_LIMITS } from "../../src/bundle/archive.js";
import { keyId, signFiles } from "../../src/bundle/signature.js";
import type { BundleCode } from "../../src/bundle/verify.js";
import {
  archive,
  bundleBytes,
  catalogue,
  content,
  json,
  KEY,
  manifest,
  metadata,
  NAME,
  policyData,
  publicPem,
  signatureWith,
  signed,
  STRANGER,
  type Files,
  type Json,
} from "./support.js";

/** An archive entry by entry, as someone who wishes harm would write it. */
type Member = Partial<Header> & { name: string; text?: string };

async function tar(members: Member[]): Promise<Buffer> {
  const writer = pack();
  const chunks: Buffer[] = [];
  for (const { text = "", ...header } of members) {
    const linkish = header.type !== undefined && header.type !== "file";
    if (linkish) writer.entry({ ...header, size: 0 });
    else writer.entry({ mtime: new Date(0), ...header }, text);
  }
  writer.finalize();
  for await (const chunk of writer) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks);
}

function members(files: Files): Member[] {
  return [...files].map(([name, bytes]) => ({ name, text: bytes.toString("latin1") }));
}

export const good = (): Files => signed(content());
const raw = async (): Promise<Buffer> => gunzipSync(await archive(good()));
const zipped = async (more: Member[]): Promise<Buffer> => gzipSync(await tar([...members(signed(content())), ...more]));

/** A tar with one field of its first header overwritten, and the checksum set right again. */
async function patched(offset: number, text: string): Promise<Buffer> {
  const bytes = await raw();
  bytes.write(text, offset, "latin1");
  bytes.write("        ", 148, "latin1");
  const sum = bytes.subarray(0, 512).reduce((total, byte) => total + byte, 0);
  bytes.write(`${sum.toString(8).padStart(6, "0")}\0 `, 148, "latin1");
  return gzipSync(bytes);
}

/** Signed, but with one file's content changed before it was. */
async function withFile(name: string, bytes: Buffer): Promise<Buffer> {
  return await archive(signed(content().set(name, bytes)));
}

async function withManifest(change: (value: Json & { metadata: Json }) => void): Promise<Buffer> {
  const value = manifest() as Json & { metadata: Json };
  value.metadata = { ...metadata() };
  change(value);
  return await withFile(".manifest", json(value));
}

async function withData(change: (data: never) => void): Promise<Buffer> {
  const data = policyData();
  change(data as never);
  return await withFile("data.json", json(data));
}

async function withReason(change: (reason: Json) => void): Promise<Buffer> {
  return await withData((data: { purposes: { testing: { allow: { note: { read: [{ reason: Json }] } } } } }) => {
    change(data.purposes.testing.allow.note.read[0].reason);
  });
}

async function withCatalogue(change: (value: never) => void): Promise<Buffer> {
  const value = catalogue();
  change(value as never);
  return await withFile("catalogue.json", json(value));
}

/** Signed as it should be, then changed. */
export async function afterSigning(change: (files: Files) => void): Promise<Buffer> {
  const files = good();
  change(files);
  return await archive(files);
}

async function withSignature(options: Parameters<typeof signatureWith>[1]): Promise<Buffer> {
  const files = content();
  return await archive(new Map(files).set(".signatures.json", signatureWith(files, options)));
}

async function withSignatures(text: string): Promise<Buffer> {
  return await archive(content().set(".signatures.json", Buffer.from(text)));
}

const token = (): string => (JSON.parse(good().get(".signatures.json")?.toString() ?? "") as { signatures: [string] }).signatures[0];
const unsignedToken = (header: Json): string => {
  const part = (value: unknown): string => Buffer.from(JSON.stringify(value)).toString("base64url");
  return `${part(header)}.${part({ files: [] })}.`;
};

const files = (change: (list: { name: string; hash: string; algorithm: string }[]) => unknown[]): Promise<Buffer> => {
  const claims = JSON.parse(Buffer.from(token().split(".")[1] ?? "", "base64url").toString()) as { files: never[] };
  return withSignature({ claims: { files: change(claims.files) } });
};

/** What is wrong with it, the code that refuses it, and its bytes. */
export const BAD: readonly [what: string, code: BundleCode, make: () => Promise<Buffer>][] = [
  // the compressed stream
  ["no bytes", "archive_empty", () => Promise.resolve(Buffer.alloc(0))],
  ["not gzip", "archive_not_gzip", () => Promise.resolve(Buffer.from("PK\u0003\u0004 a zip file, perhaps"))],
  ["a bare tar", "archive_not_gzip", raw],
  [
    "a gzip header with a file name",
    "archive_not_gzip",
    async () => {
      const bytes = await bundleBytes();
      bytes[3] = 8;
      return bytes;
    },
  ],
  ["a gzip header alone", "archive_truncated", async () => (await bundleBytes()).subarray(0, 10)],
  ["cut in the middle", "archive_truncated", async () => (await bundleBytes()).subarray(0, 20_000)],
  ["cut before the last byte", "archive_truncated", async () => (await bundleBytes()).subarray(0, -1)],
  [
    "a wrong checksum",
    "archive_damaged",
    async () => {
      const bytes = await bundleBytes();
      bytes.writeUInt32LE(1, bytes.length - 8);
      return bytes;
    },
  ],
  [
    "a flipped bit in the compressed data",
    "archive_damaged",
    async () => {
      const bytes = await bundleBytes();
      bytes[10] = 0x07; // a block of the reserved type
      return bytes;
    },
  ],
  ["bytes after the end", "archive_trailing", async () => Buffer.concat([await bundleBytes(), Buffer.from("more")])],
  [
    "a second gzip member",
    "archive_trailing",
    async () => Buffer.concat([await bundleBytes(), gzipSync(await tar([{ name: "evil.rego", text: "package evil" }]))]),
  ],
  ["more bytes than allowed", "archive_too_large", () => Promise.resolve(Buffer.alloc(ARCHIVE_LIMITS.compressed_bytes_max + 1))],
  ["a bomb", "archive_ratio", () => Promise.resolve(gzipSync(Buffer.alloc(256 * 1024 * 1024)))],
  // the archive
  ["no tar inside", "archive_not_tar", () => Promise.resolve(gzipSync(Buffer.alloc(2048, "text")))],
  ["a tar without its end", "archive_truncated", async () => gzipSync((await raw()).subarray(0, -1024))],
  ["a tar cut inside a member", "archive_not_tar", async () => gzipSync((await raw()).subarray(0, 600))],
  ["half a block at the end", "archive_not_tar", async () => gzipSync(Buffer.concat([await raw(), Buffer.alloc(100)]))],
  [
    "bytes after the end of the tar",
    "archive_not_tar",
    async () => gzipSync(Buffer.concat([await raw(), Buffer.alloc(512, 1), Buffer.alloc(512)])),
  ],
  ["zeros without end", "archive_trailing", async () => gzipSync(Buffer.concat([await raw(), Buffer.alloc(512 * 100)]))],
  [
    "a second tar after the first",
    "archive_extension",
    async () => gzipSync(Buffer.concat([await raw(), await tar([{ name: "evil.rego", text: "package evil" }])])),
  ],
  [
    "bytes in the padding of a member",
    "archive_trailing",
    async () => {
      const bytes = await raw();
      const size = parseInt(bytes.toString("latin1", 124, 135), 8);
      bytes[512 + size] = 1;
      return gzipSync(bytes);
    },
  ],
  [
    "a wrong header checksum",
    "archive_not_tar",
    async () => {
      const bytes = await raw();
      bytes[0] = 65;
      return gzipSync(bytes);
    },
  ],
  ["an old format", "archive_not_tar", () => patched(257, "oldtar")],
  ["a PAX path", "archive_extension", () => zipped([{ name: "x.rego", pax: { path: "../../evil.rego" }, text: "x" }])],
  ["a PAX size", "archive_extension", () => zipped([{ name: "x.rego", pax: { size: "1" }, text: "xyz" }])],
  ["a name that needs a PAX header", "archive_extension", () => zipped([{ name: `${"a".repeat(150)}.rego`, text: "x" }])],
  ["a GNU sparse file", "archive_entry_type", () => patched(156, "S")],
  ["a contiguous file", "archive_entry_type", () => patched(156, "7")],
  ...(["link", "symlink", "character-device", "block-device", "fifo", "directory"] as const).map(
    (type): [string, BundleCode, () => Promise<Buffer>] => [
      `a ${type}`,
      "archive_entry_type",
      () => zipped([{ name: "x.rego", type, linkname: "/etc/passwd" }]),
    ],
  ),
  ...[
    "../evil.rego",
    "remit/../../evil.rego",
    "..",
    "./x.rego",
    "remit/./x.rego",
    "//x.rego",
    "remit//x.rego",
    "C:\\x.rego",
    "remit\\x.rego",
    "x y.rego",
    "%2e%2e/x.rego",
    "x\n.rego",
  ].map((name): [string, BundleCode, () => Promise<Buffer>] => [
    `the name ${JSON.stringify(name)}`,
    "archive_name",
    () => zipped([{ name, text: "x" }]),
  ]),
  ["a name twice", "archive_name_twice", () => zipped([{ name: "remit/decide.rego", text: "package evil" }])],
  ["a name twice, once with a slash", "archive_name_twice", () => zipped([{ name: "/data.json", text: "{}" }])],
  ["a twin in another case", "archive_name_twice", () => zipped([{ name: "DATA.json", text: "{}" }])],
  [
    "more members than allowed",
    "archive_member_count",
    () => zipped(Array.from({ length: 1001 }, (_, index) => ({ name: `f${index}.rego`, text: "" }))),
  ],
  // the signature
  ["no signature", "signature_missing", () => archive(content())],
  ["a delta", "delta_unsupported", () => archive(signed(content().set("patch.json", json({ data: [] }))))],
  ["no JWT", "signature_count", () => withSignatures('{"signatures":[]}')],
  ["two JWTs", "signature_count", () => withSignatures(JSON.stringify({ signatures: [token(), token()] }))],
  ["a signature file that is not JSON", "json_invalid", () => withSignatures("signed, really")],
  ["a signature file with a key twice", "json_invalid", () => withSignatures(`{"signatures":[],"signatures":["${token()}"]}`)],
  ["a signature file of another shape", "signature_malformed", () => withSignatures('{"signatures":"x"}')],
  ["a plugin's signature", "signature_malformed", () => withSignatures(JSON.stringify({ signatures: [token()], plugin: "lenient" }))],
  ["text in the JWT's place", "signature_malformed", () => withSignatures('{"signatures":["not.a.jwt"]}')],
  ["an empty JWT", "signature_malformed", () => withSignatures('{"signatures":[""]}')],
  ["no key id", "signature_header", () => withSignatures(JSON.stringify({ signatures: [unsignedToken({ alg: "ES256" })] }))],
  [
    "a key in the header",
    "signature_header",
    () => withSignature({ header: { jwk: createPublicKey(STRANGER).export({ format: "jwk" }) } }),
  ],
  ["a critical extension", "signature_header", () => withSignature({ header: { crit: ["b64"] } })],
  ["a stranger's key", "signature_key_unknown", () => archive(signed(content(), STRANGER))],
  ["a key id that is a path", "signature_key_unknown", () => withSignature({ header: { kid: "../../../dev/null" } })],
  ["a stranger's key under a trusted id", "signature_invalid", () => withSignature({ key: STRANGER })],
  [
    "no algorithm",
    "signature_algorithm",
    () => withSignatures(JSON.stringify({ signatures: [unsignedToken({ alg: "none", kid: keyId(KEY) })] })),
  ],
  ["HS256 with the public key", "signature_algorithm", () => withSignature({ header: { alg: "HS256" }, key: publicPem(KEY) })],
  [
    "RS256 under a trusted id",
    "signature_algorithm",
    () => withSignature({ header: { alg: "RS256" }, key: generateKeyPairSync("rsa", { modulusLength: 2048 }).privateKey }),
  ],
  ["a scope", "signature_scope", () => withSignature({ claims: { scope: "write" } })],
  ["an expiry that OPA would ignore", "signature_claims", () => withSignature({ claims: { exp: 1 } })],
  ["no list of files", "signature_claims", () => withSignature({ claims: { files: "all" } })],
  ["a hash without algorithm", "signature_claims", () => files((list) => list.map(({ name, hash }) => ({ name, hash })))],
  ["MD5", "signature_algorithm_unknown", () => files((list) => list.map((file) => ({ ...file, algorithm: "MD5" })))],
  ["a file listed twice", "file_signed_twice", () => files((list) => [...list, ...list.slice(0, 1)])],
  ["a hash in upper case", "signature_claims", () => files((list) => list.map((file) => ({ ...file, hash: file.hash.toUpperCase() })))],
  ["an empty list", "file_not_signed", () => files(() => [])],
  [
    "a flipped bit in the signature",
    "signature_invalid",
    () => {
      const [head = "", claims = "", signature = ""] = token().split(".");
      const bytes = Buffer.from(signature, "base64url");
      bytes[10] = (bytes[10] ?? 0) ^ 1;
      return withSignatures(JSON.stringify({ signatures: [`${head}.${claims}.${bytes.toString("base64url")}`] }));
    },
  ],
  ["an extra file", "file_not_signed", () => afterSigning((all) => all.set("evil.rego", Buffer.from("package evil")))],
  ["a file less", "file_not_present", () => afterSigning((all) => all.delete("remit/decide.rego"))],
  ["a changed source", "file_altered", () => afterSigning((all) => all.set("remit/decide.rego", Buffer.from("package x\n")))],
  ["a changed manifest", "file_altered", () => afterSigning((all) => all.set(".manifest", json(manifest({ sequence: 13 }))))],
  ["changed data", "file_altered", () => afterSigning((all) => all.set("data.json", json(policyData(["other"]))))],
  [
    "a flipped bit in the module",
    "file_altered",
    () =>
      afterSigning((all) => {
        const module = Buffer.from(all.get("policy.wasm") ?? "");
        module[5000] = (module[5000] ?? 0) ^ 1;
        all.set("policy.wasm", module);
      }),
  ],
  [
    "another bundle's signature",
    "file_altered",
    () => afterSigning((all) => all.set(".signatures.json", signFiles(content({ sequence: 13 }), KEY))),
  ],
  ["another bundle's manifest", "file_altered", () => afterSigning((all) => all.set(".manifest", json(manifest({ name: "other" }))))],
  // what it holds
  ...[".manifest", "policy.wasm", "data.json", "catalogue.json"].map((name): [string, BundleCode, () => Promise<Buffer>] => [
    `no ${name}`,
    "file_missing",
    () => {
      const less = content();
      less.delete(name);
      return archive(signed(less));
    },
  ]),
  ...["data.yaml", "customers/data.json", "other.wasm", "run.sh", ".npmrc"].map((name): [string, BundleCode, () => Promise<Buffer>] => [
    `a file ${name}`,
    "file_unexpected",
    () => withFile(name, json({})),
  ]),
  ["an empty file", "file_empty", () => withFile("remit/decide.rego", Buffer.alloc(0))],
  ["data that is not JSON", "json_invalid", () => afterSigning((all) => all.set("data.json", Buffer.from("{")))],
  ["a catalogue with a key twice", "json_invalid", () => withFile("catalogue.json", Buffer.from('{"a":1,"a":2}'))],
  ["a catalogue in UTF-16", "json_invalid", () => withFile("catalogue.json", Buffer.from("\ufeff{}", "utf16le"))],
  ["a catalogue with half a surrogate pair", "json_invalid", () => withFile("catalogue.json", Buffer.from('{"a":"\\ud800"}'))],
  ["a catalogue with 1e400", "json_invalid", () => withFile("catalogue.json", Buffer.from('{"a":1e400}'))],
  ["a catalogue with 2^53", "json_invalid", () => withFile("catalogue.json", Buffer.from('{"a":9007199254740992}'))],
  ["a catalogue nested 100 deep", "json_invalid", () => withFile("catalogue.json", Buffer.from("[".repeat(100) + "]".repeat(100)))],
  ["a module that is text", "wasm_invalid", () => withFile("policy.wasm", Buffer.from("(module)"))],
  ["a manifest that is a list", "manifest_invalid", () => withFile(".manifest", json([]))],
  ["a manifest that names modules", "manifest_wasm", () => withManifest((value) => (value["wasm"] = []))],
  ["a manifest without revision", "manifest_invalid", () => withManifest((value) => delete value["revision"])],
  ["an empty revision", "manifest_invalid", () => withManifest((value) => (value["revision"] = ""))],
  ...["../x", "a/../b", "./a", "/a", "a//b", "a/", "..", "", "..\\x", "a/..\\b", "a/.", "x".repeat(257), 7, null].map(
    (root): [string, BundleCode, () => Promise<Buffer>] => [
      `a root outside of the bundle: ${JSON.stringify(root)}`,
      "manifest_invalid",
      () => withManifest((value) => (value["roots"] = [root])),
    ],
  ),
  ["no roots", "manifest_invalid", () => withManifest((value) => delete value["roots"])],
  ["an empty list of roots", "manifest_invalid", () => withManifest((value) => (value["roots"] = []))],
  ["a root twice", "manifest_invalid", () => withManifest((value) => (value["roots"] = ["remit", "remit"]))],
  ["roots as a text", "manifest_invalid", () => withManifest((value) => (value["roots"] = "remit"))],
  ["Rego of version 0", "manifest_invalid", () => withManifest((value) => (value["rego_version"] = 0))],
  ["an unknown member of the manifest", "manifest_invalid", () => withManifest((value) => (value["extra"] = 1))],
  ["no metadata", "manifest_invalid", () => withManifest((value) => delete (value as Json)["metadata"])],
  ["no sequence", "metadata_invalid", () => withManifest(({ metadata: meta }) => delete meta["sequence"])],
  ["a sequence as text", "metadata_invalid", () => withManifest(({ metadata: meta }) => (meta["sequence"] = "12"))],
  ["a fraction of a sequence", "metadata_invalid", () => withManifest(({ metadata: meta }) => (meta["sequence"] = 1.5))],
  ["a negative sequence", "metadata_invalid", () => withManifest(({ metadata: meta }) => (meta["sequence"] = -1))],
  ["no expiry said", "metadata_invalid", () => withManifest(({ metadata: meta }) => delete meta["expires"])],
  [
    "an expiry that no calendar has",
    "metadata_invalid",
    () => withManifest(({ metadata: meta }) => (meta["expires"] = "2026-02-30T00:00:00Z")),
  ],
  [
    "an expiry in another zone",
    "metadata_invalid",
    () => withManifest(({ metadata: meta }) => (meta["expires"] = "2026-06-01T00:00:00+02:00")),
  ],
  ["another entrypoint", "metadata_invalid", () => withManifest(({ metadata: meta }) => (meta["entrypoint"] = "remit/allow_all"))],
  ["another ABI", "abi_unsupported", () => withManifest(({ metadata: meta }) => (meta["abi"] = "2.0"))],
  ["an ABI without opa_eval", "abi_unsupported", () => withManifest(({ metadata: meta }) => (meta["abi"] = "1.1"))],
  ["another name", "name_mismatch", () => bundleBytes({ name: "other" })],
  ["a name in another case", "name_mismatch", () => bundleBytes({ name: NAME.toUpperCase() })],
  ["an expiry a second ago", "bundle_expired", () => bundleBytes({ expires: "2026-03-03T09:14:59Z" })],
  ["an expiry right now", "bundle_expired", () => bundleBytes({ expires: "2026-03-03T09:15:00Z" })],
  ["data without purposes", "data_invalid", () => withData((data: Json) => delete data["purposes"])],
  ["data with a member that policies don't have", "data_invalid", () => withData((data: Json) => (data["customers"] = []))],
  [
    "a purpose named __proto__",
    "data_invalid",
    () => withFile("data.json", Buffer.from('{"purposes":{"__proto__":{}},"vocabulary":{},"zones":{}}')),
  ],
  [
    "an entry about nothing known",
    "data_invalid",
    () =>
      withData((data: { purposes: Record<string, { allow: Json }> }) => {
        (data.purposes["testing"] as { allow: Json }).allow = { note: { read: [{ about: "everyone" }] } };
      }),
  ],
  ["a line of `allow` whose reason denies", "data_invalid", () => withReason((reason) => (reason["effect"] = "deny"))],
  ["a reason without effect", "data_invalid", () => withReason((reason) => delete reason["effect"])],
  ["a line's reason without params", "data_invalid", () => withReason((reason) => delete reason["params"])],
  ["a line's reason with params", "data_invalid", () => withReason((reason) => (reason["params"] = { n: 1 }))],
  [
    "a line of `never` that allows",
    "data_invalid",
    () =>
      withData((data: { purposes: { testing: { allow: Json; never: Json } } }) => {
        const { testing } = data.purposes;
        [testing.allow, testing.never] = [{}, testing.allow];
      }),
  ],
  [
    "a local week that doesn't say when it began",
    "data_invalid",
    () => withData((data: { zones: Json }) => (data.zones["UTC"] = { first: 0, weeks: [[[0, 1]]] })),
  ],
  [
    "an operator that no engine has",
    "data_invalid",
    () =>
      withData((data: { purposes: { testing: { allow: { note: { read: [{ when: unknown[] }] } } } } }) => {
        data.purposes.testing.allow.note.read[0].when = [{ name: "x", path: ["x"], op: "matches", value: ["x"] }];
      }),
  ],
  [
    "a verb without class",
    "data_invalid",
    () => withData((data: { vocabulary: { verbs: Json } }) => (data.vocabulary.verbs["read"] = { collection: false })),
  ],
  [
    "an unbounded list",
    "data_invalid",
    () =>
      withData((data: { vocabulary: { types: { note: { arguments: Json } } } }) => {
        data.vocabulary.types.note.arguments["x"] = { kind: "list", of: { kind: "id" } };
      }),
  ],
  [
    "hours that end before the week does not",
    "data_invalid",
    () =>
      withData((data: { purposes: { testing: Json } }) => {
        data.purposes.testing["hours"] = {
          zone: "Europe/Berlin",
          open: [[0, 604_800_001]],
          outside: { effect: "log", code: "x", severity: "low", params: {} },
        };
      }),
  ],
  [
    "a catalogue without severity",
    "catalogue_invalid",
    () => withCatalogue((value: { permitted: Json }) => delete value.permitted["severity"]),
  ],
  [
    "a catalogue with an unknown effect",
    "catalogue_invalid",
    () => withCatalogue((value: { permitted: Json }) => (value.permitted["effect"] = "permit")),
  ],
];
