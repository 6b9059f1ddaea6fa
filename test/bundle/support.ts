/** Makes bundles, good and bad, signed with a key of the test's own. */
import { BundleError } from "../../src/bundle/errors.js";
import { createPublicKey, generateKeyPairSync, type KeyObject } from "node:crypto";
import { readFileSync } from "node:fs";
import jwt from "jsonwebtoken";
import { writeArchive } from "../../src/bundle/archive.js";
import { fileHashes } from "../../src/bundle/digest.js";
import { keyId, SIGNATURES_FILE, signFiles } from "../../src/bundle/signature.js";
import { verifyBundle, type VerifiedBundle } from "../../src/bundle/verify.js";
import type { BundleMetadata, Catalogue, PolicyData, Purpose } from "../../src/contract/index.js";
import { asset } from "../../src/system/paths.js";

export const NAME = "engine_test";
export const NOW_MS = Date.UTC(2026, 2, 3, 9, 15);
const MTIME_S = Date.UTC(2026, 2, 1) / 1000;

export function p256(): KeyObject {
  return generateKeyPairSync("ec", { namedCurve: "P-256" }).privateKey;
}

export const KEY = p256();
export const STRANGER = p256();
export const KEYS = new Map([[keyId(KEY), createPublicKey(KEY)]]);

/** An object that JSON text can hold and a test may break. */
export type Json = Record<string, unknown>;
export type Files = Map<string, Buffer>;

export function wasm(name: "engine" | "builtin"): Buffer {
  return readFileSync(asset("test", "fixtures", `${name}.wasm`));
}

export function purpose(): Purpose {
  const entry = {
    about: "task" as const,
    when: [],
    reason: { effect: "allow" as const, code: "permitted", severity: "info" as const, params: {} },
    obligations: [],
  };
  return {
    statement: "to test",
    owner: "tests",
    task: "optional",
    answer_lasts_ms: 5000,
    hours: null,
    allow: { note: { read: [entry] } },
    flag: {},
    never: {},
  };
}

export function policyData(purposes: string[] = ["testing"]): PolicyData {
  return {
    purposes: Object.fromEntries(purposes.map((name) => [name, purpose()])),
    vocabulary: {
      agent: { attributes: {} },
      task: { attributes: {}, subjects: ["customer"] },
      types: {
        note: {
          about: { customer: "customer" },
          arguments: {
            do: { kind: "enum", values: ["nothing", "conflict", "undefined", "memory", "echo"] },
            items: { kind: "list", of: { kind: "string", max: 100 }, max: 10_000 },
          },
          attributes: { customer: { kind: "id" } },
          id: "name",
          related: {},
        },
      },
      verbs: { read: { class: "read", collection: false } },
    },
    zones: {},
  };
}

export function metadata(changes: Partial<BundleMetadata> = {}): BundleMetadata {
  return {
    name: NAME,
    sequence: 12,
    built: "2026-03-01T00:00:00Z",
    expires: "2026-06-01T00:00:00Z",
    commit: null,
    entrypoint: "remit/decide",
    abi: "1.3",
    builder: "tests",
    compiler: "OPA 1.22.2",
    tzdata: "2026a",
    ...changes,
  };
}

export function manifest(changes: Partial<BundleMetadata> = {}): Json {
  return {
    revision: "local-12",
    roots: ["purposes", "remit", "vocabulary", "zones"],
    rego_version: 1,
    metadata: metadata(changes),
  };
}

export function catalogue(): Catalogue {
  return {
    permitted: {
      effect: "allow",
      severity: "info",
      title: "permitted",
      message: "permitted",
      tell_agent: "",
      purposes: ["testing"],
      sources: ["purposes.yaml:1"],
    },
  };
}

export function json(value: unknown): Buffer {
  return Buffer.from(JSON.stringify(value));
}

/** The files of a good bundle, without its signature. */
export function content(changes: Partial<BundleMetadata> = {}, data: unknown = policyData()): Files {
  return new Map([
    [".manifest", json(manifest(changes))],
    ["catalogue.json", json(catalogue())],
    ["data.json", json(data)],
    ["policy.wasm", wasm("engine")],
    ["remit/decide.rego", Buffer.from("package remit\n")],
  ]);
}

export function signed(files: Files, key = KEY): Files {
  return new Map(files).set(SIGNATURES_FILE, signFiles(files, key));
}

export async function archive(files: Files): Promise<Buffer> {
  return await writeArchive(files, MTIME_S);
}

export async function bundleBytes(changes: Partial<BundleMetadata> = {}, data: unknown = policyData()): Promise<Buffer> {
  return await archive(signed(content(changes, data)));
}

export async function verified(changes: Partial<BundleMetadata> = {}, data: unknown = policyData()): Promise<VerifiedBundle> {
  return await verifyBundle(await bundleBytes(changes, data), { keys: KEYS, name: NAME, nowMs: NOW_MS });
}

/** A signature file with whatever header and claims, signed for real by `key`. */
export function signatureWith(
  files: Files,
  { header = {}, claims = {}, key = KEY }: { header?: Json; claims?: Json; key?: KeyObject | string },
): Buffer {
  const algorithm = (header["alg"] ?? "ES256") as jwt.Algorithm;
  const token = jwt.sign({ files: fileHashes(files), ...claims }, key, {
    algorithm,
    noTimestamp: true,
    header: { alg: algorithm, kid: keyId(KEY), ...header },
  });
  return json({ signatures: [token] });
}

/** PEM text of the public half, as a verifier holds it. */
export function publicPem(key: KeyObject): string {
  return createPublicKey(key).export({ type: "spki", format: "pem" }) as string;
}

/** Returns the code with which a bundle is rejected; "accepted" if it isn't. */
export async function codeOf(act: Promise<unknown>): Promise<string> {
  try {
    await act;
  } catch (error) {
    if (error instanceof BundleError) return error.code;
    throw error;
  }
  return "accepted";
}
