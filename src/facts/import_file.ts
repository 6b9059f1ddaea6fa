/** Reads the file of an import strictly: a YAML document, or JSON Lines with one fact a line. */
import { createHash } from "node:crypto";
import type { ErrorObject } from "ajv";
import { ImportDocument, ImportLine, pointerSteps, pointerToken, Problem } from "../contract/index.js";
import { scan } from "../decision/scan.js";
import { schemas } from "../system/schemas.js";
import { YamlError, readYamlAs } from "../system/yaml.js";

type Kinds = Required<ImportLine>;

/** One fact, and where it stands: for `lineOf` alone. */
export type ImportFact = { [K in keyof Kinds]: { kind: K; value: Kinds[K]; place: number | string[] } }[keyof Kinds];

export interface ImportFile {
  /** `sha256:` + hex of its bytes. */
  digest: string;
  facts: ImportFact[];
  /** @param field JSON pointer into the fact */
  lineOf(fact: ImportFact, field: string): number | null;
}

const SCAN_LIMITS = { depth_max: 32, members_max: 256 };
/** Lines read before others get their turn. */
const PART = 200;

const ajv = schemas();
const isLine = ajv.compile<ImportLine>(ImportLine);
const isDocument = ajv.compile<ImportDocument>(ImportDocument);

/**
 * @param turn resolves when others had their turn
 * @throws Problem `import_invalid` naming line and field
 */
export async function readJsonLines(bytes: Buffer, turn: () => Promise<void>): Promise<ImportFile> {
  const facts: ImportFact[] = [];
  let line = 0;
  for (let from = 0; from < bytes.length;) {
    if (line % PART === 0) await turn();
    const end = bytes.indexOf(0x0a, from);
    const to = end < 0 ? bytes.length : end;
    line++;
    facts.push(readLine(bytes.subarray(from, to), line));
    from = to + 1;
  }
  return {
    digest: digestOf(bytes),
    facts,
    lineOf: ({ place }) => (typeof place === "number" ? place : null),
  };
}

function readLine(bytes: Buffer, line: number): ImportFact {
  let value: unknown;
  try {
    value = JSON.parse(scan(bytes, SCAN_LIMITS));
  } catch (cause) {
    if (!(cause instanceof Problem)) throw cause;
    throw new Problem("import_invalid", { ...cause.detail, line, reason: cause.code }, { cause });
  }
  if (!isLine(value)) throw new Problem("import_invalid", { line, ...complaint(isLine.errors ?? []) });
  const [[kind, fact] = []] = Object.entries(value);
  return { kind, value: fact, place: line } as ImportFact;
}

/**
 * @param file the name errors give
 * @throws Problem `import_invalid` naming line and field
 */
export function readYamlDocument(bytes: Buffer, file: string): ImportFile {
  try {
    const { value, errorAt } = readYamlAs<ImportDocument>(bytes, file, isDocument);
    const facts: ImportFact[] = [];
    for (const [section, kind] of SECTIONS) {
      for (const [id, members] of Object.entries<object>(value[section] ?? {})) {
        const fact = { ...namedBy(kind, id), ...members };
        facts.push({ kind, value: fact, place: [section, id] } as ImportFact);
      }
    }
    return {
      digest: digestOf(bytes),
      facts,
      lineOf: ({ place }, field) => {
        return typeof place === "number" ? place : errorAt([...place, ...pointerSteps(field)], "").line;
      },
    };
  } catch (cause) {
    if (!(cause instanceof YamlError)) throw cause;
    const field = cause.path === "" ? "" : `/${cause.path.replaceAll(".", "/")}`;
    const line = cause.line === null ? {} : { line: cause.line };
    const { expected, ...said } = SAID[cause.problem] ?? { expected: cause.problem };
    const hint = cause.hint === null ? "" : `; ${cause.hint}`;
    throw new Problem("import_invalid", { ...line, field, expected: `${expected}${hint}`, ...said }, { cause });
  }
}

/** Words in which the same faults of a line of JSON are reported. */
const SAID: Partial<Record<string, { expected: string; reason?: string }>> = {
  missing: { expected: "a value", reason: "field_missing" },
  "unknown key": { expected: "only known fields", reason: "field_unknown" },
};

const SECTIONS = [
  ["agents", "agent"],
  ["tasks", "task"],
  ["grants", "grant"],
  ["narrowings", "narrowing"],
  ["revocations", "revocation"],
] as const;

/** Returns the members of a fact that its key in a section stands for. */
function namedBy(kind: ImportFact["kind"], id: string): object {
  return kind === "revocation" ? { scope: scopeOf(id) } : kind === "narrowing" ? { agent: id } : { id };
}

function scopeOf(id: string): Kinds["revocation"]["scope"] {
  if (id === "everything") return { everything: true };
  const slash = id.indexOf("/");
  return { [id.slice(0, slash)]: id.slice(slash + 1) };
}

function complaint(errors: readonly ErrorObject[]): { field: string; expected: string; reason: string } {
  const error = errors.at(-1);
  const at = error?.instancePath ?? "";
  const params = (error?.params ?? {}) as Record<string, unknown>;
  switch (error?.keyword) {
    case "required":
      return { field: `${at}/${String(params["missingProperty"])}`, expected: "a value", reason: "field_missing" };
    case "additionalProperties":
      return {
        field: `${at}/${pointerToken(String(params["additionalProperty"]))}`,
        expected: "only known fields",
        reason: "field_unknown",
      };
    default:
      return { field: at, expected: error?.message ?? "another value", reason: "field_invalid" };
  }
}

function digestOf(bytes: Buffer): string {
  return `sha256:${createHash("sha256").update(bytes).digest("hex")}`;
}
