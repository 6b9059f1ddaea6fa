/**
 * Provenance of a bundle: an in-toto statement with SLSA provenance v1 in a DSSE envelope, as a file of the bundle. Its subjects are the
 * bundle's files but the manifest and the signature; of `data.json` vocabulary and purposes count, since a way back renews its zones.
 */
import { createHash, type KeyObject } from "node:crypto";
import { Type, type Static } from "../contract/type.js";
import { canonical, type BundleMetadata } from "../contract/index.js";
import { schemas } from "../system/schemas.js";
import { readJson } from "./digest.js";
import { openEnvelope, signEnvelope } from "./dsse.js";
import { BundleError } from "./errors.js";
import { SIGNING_FILES, type TrustedKeys } from "./signature.js";

export const PROVENANCE_FILE = "provenance.intoto.jsonl";
const PAYLOAD_TYPE = "application/vnd.in-toto+json";
const STATEMENT_TYPE = "https://in-toto.io/Statement/v1";
const PREDICATE_TYPE = "https://slsa.dev/provenance/v1";
const BUILD_TYPE = "urn:remit:policy-bundle:v1";
const COMPILER = "pkg:golang/github.com/open-policy-agent/opa";
const UNATTESTED: ReadonlySet<string> = new Set([".manifest", ...SIGNING_FILES, PROVENANCE_FILE]);

/** A run of a set's tests. */
export interface TestedBuild {
  passed: number;
  failed: number;
  /** Percent of the rules' lines that unit tests reach; null: the set has no rules. */
  coverage: number | null;
}

const Digest = Type.Object({ sha256: Type.String({ pattern: "^[0-9a-f]{64}$" }) }, { additionalProperties: false });
const Dependency = Type.Object({
  uri: Type.String(),
  digest: Type.Optional(Type.Record(Type.String(), Type.String())),
});
const Statement = Type.Object({
  _type: Type.Literal(STATEMENT_TYPE),
  subject: Type.Array(Type.Object({ name: Type.String(), digest: Digest }), { minItems: 1, maxItems: 10_000 }),
  predicateType: Type.Literal(PREDICATE_TYPE),
  predicate: Type.Object({
    buildDefinition: Type.Object({
      buildType: Type.Literal(BUILD_TYPE),
      // Unknown ones are rejected, as SLSA asks of a verifier.
      externalParameters: Type.Object({ name: Type.String(), entrypoint: Type.String() }, { additionalProperties: false }),
      resolvedDependencies: Type.Array(Dependency),
    }),
    runDetails: Type.Object({
      builder: Type.Object({ id: Type.String({ minLength: 1 }) }),
      byproducts: Type.Array(
        Type.Object({
          name: Type.Literal("tests"),
          annotations: Type.Object({
            passed: Type.Integer({ minimum: 0 }),
            failed: Type.Integer({ minimum: 0 }),
            coverage: Type.Union([Type.Number(), Type.Null()]),
          }),
        }),
        { minItems: 1, maxItems: 1 },
      ),
    }),
  }),
});
const isStatement = schemas().compile<Static<typeof Statement>>(Statement);

export interface Provenance {
  builder: string;
  /** Git commit of the sources; null: none was named. */
  commit: string | null;
  compiler: string;
  tests: TestedBuild;
}

type Digests = Record<string, string>;

/** The package of a compiler such as `opa 1.22.2`. */
const compilerUri = (compiler: string): string => `${COMPILER}@v${compiler.split(" ").at(-1) ?? ""}`;

const sha256 = (bytes: Uint8Array | string): string => createHash("sha256").update(bytes).digest("hex");

/** Name → SHA-256 of what the statement is about. */
function subjectsOf(files: ReadonlyMap<string, Uint8Array>): Digests {
  const attested = [...files].filter(([name]) => !UNATTESTED.has(name)).sort(([a], [b]) => (a < b ? -1 : 1));
  return Object.fromEntries(
    attested.map(([name, content]) => {
      if (name !== "data.json") return [name, sha256(content)];
      const data = Object.entries(readJson(name, content) as object).filter(([member]) => member !== "zones");
      return [name, sha256(canonical(Object.fromEntries(data)))];
    }),
  );
}

/**
 * The content of the bundle's provenance file.
 * @param builder URI of who runs the build
 */
export function attest(
  files: ReadonlyMap<string, Uint8Array>,
  { name, entrypoint, commit, compiler }: BundleMetadata,
  { builder, capabilities, tests, key }: { builder: string; capabilities: Uint8Array; tests: TestedBuild; key: KeyObject },
): Buffer {
  const statement: Static<typeof Statement> = {
    _type: STATEMENT_TYPE,
    subject: Object.entries(subjectsOf(files)).map(([file, digest]) => ({ name: file, digest: { sha256: digest } })),
    predicateType: PREDICATE_TYPE,
    predicate: {
      buildDefinition: {
        buildType: BUILD_TYPE,
        externalParameters: { name, entrypoint },
        resolvedDependencies: [
          ...(commit === null ? [] : [{ uri: "git+commit", digest: { gitCommit: commit } }]),
          { uri: compilerUri(compiler) },
          { uri: "capabilities.json", digest: { sha256: sha256(capabilities) } },
        ],
      },
      runDetails: { builder: { id: builder }, byproducts: [{ name: "tests", annotations: { ...tests } }] },
    },
  };
  return Buffer.from(`${signEnvelope(PAYLOAD_TYPE, Buffer.from(canonical(statement)), key)}\n`);
}

/**
 * Checks that a trusted builder made these files of sources that pass their tests.
 * @throws BundleError `provenance_missing`, `provenance_invalid`, `provenance_mismatch`, `provenance_untested`
 */
export function verifyProvenance(files: ReadonlyMap<string, Uint8Array>, metadata: BundleMetadata, keys: TrustedKeys): Provenance {
  const content = files.get(PROVENANCE_FILE);
  if (content === undefined) throw new BundleError("provenance_missing", { file: PROVENANCE_FILE });
  const { subject, predicate } = readStatement(Buffer.from(content).toString("utf8"), keys);
  const subjects = subjectsOf(files);
  const wrong = (file: string): BundleError => new BundleError("provenance_mismatch", { file });
  for (const { name, digest } of subject) if (subjects[name] !== digest.sha256) throw wrong(name);
  const named = new Set(subject.map(({ name }) => name));
  for (const name of Object.keys(subjects)) if (!named.has(name)) throw wrong(name);
  const { externalParameters, resolvedDependencies } = predicate.buildDefinition;
  const commit = resolvedDependencies.find(({ uri }) => uri === "git+commit")?.digest?.["gitCommit"] ?? null;
  const uri = compilerUri(metadata.compiler);
  const claims: [member: keyof BundleMetadata, wanted: string | null, found: string | null][] = [
    ["name", externalParameters.name, metadata.name],
    ["entrypoint", externalParameters.entrypoint, metadata.entrypoint],
    ["commit", commit, metadata.commit],
    ["compiler", resolvedDependencies.find((one) => one.uri.startsWith(COMPILER))?.uri ?? null, uri],
  ];
  for (const [member, wanted, found] of claims) {
    const at = `/metadata/${member}`;
    if (wanted !== found) throw new BundleError("provenance_mismatch", { file: ".manifest", at, expected: wanted ?? "none" });
  }
  const tests = predicate.runDetails.byproducts[0]?.annotations;
  if (tests === undefined || tests.failed > 0 || tests.passed === 0)
    throw new BundleError("provenance_untested", { file: PROVENANCE_FILE });
  return { builder: predicate.runDetails.builder.id, commit, compiler: metadata.compiler, tests };
}

function readStatement(text: string, keys: TrustedKeys): Static<typeof Statement> {
  const invalid = (expected: string, cause?: unknown): BundleError =>
    new BundleError("provenance_invalid", { file: PROVENANCE_FILE, expected }, { cause });
  let body: Buffer;
  try {
    body = openEnvelope(text, PAYLOAD_TYPE, keys);
  } catch (cause) {
    if (cause instanceof TypeError) throw invalid(`a DSSE envelope by a trusted builder (${cause.message})`, cause);
    throw cause;
  }
  const statement = readJson(PROVENANCE_FILE, body);
  if (!isStatement(statement)) throw invalid("an in-toto statement with SLSA provenance v1 of a policy bundle");
  return statement;
}
