/**
 * YAML 1.2 core, read so that no other reader can take it for something else: one document, no anchors, aliases or tags,
 * no key twice, no number that a double cannot hold. Errors name file, line and path.
 */
import type { ErrorObject, ValidateFunction } from "ajv";
import { LineCounter, Scalar, isAlias, isMap, isNode, isScalar, parseDocument, visit, type Document } from "yaml";

export class YamlError extends Error {
  override readonly name = "YamlError";

  constructor(
    readonly file: string,
    readonly line: number | null,
    /** Keys and indices joined by dots; empty for the document. */
    readonly path: string,
    readonly problem: string,
  ) {
    super(`${file}${line === null ? "" : `:${line}`}: ${path === "" ? "" : `${path}: `}${problem}`);
  }
}

export interface YamlDocument<T = unknown> {
  value: T;
  /** An error at a path; the line is that of its closest ancestor that is in the text, a member's that of its key. */
  errorAt: (path: readonly (string | number)[], problem: string) => YamlError;
  /** Whether a scalar stands there without quotes. */
  isPlain: (path: readonly (string | number)[]) => boolean;
}

/**
 * @param file the name errors give, not opened here
 * @throws YamlError
 */
export function readYaml(text: string, file: string): YamlDocument {
  const lines = new LineCounter();
  const document = parseDocument(text, {
    version: "1.2",
    schema: "core",
    strict: true,
    stringKeys: true,
    lineCounter: lines,
    prettyErrors: false,
  });
  const lineAt = (offset: number | undefined): number | null =>
    offset === undefined ? null : lines.linePos(offset).line;
  const problem = document.errors[0] ?? document.warnings[0];
  if (problem !== undefined) throw new YamlError(file, lineAt(problem.pos[0]), "", problem.message);
  visit(document, (_key, node) => {
    if (!isNode(node)) return;
    const refuse = (what: string): never => {
      throw new YamlError(file, lineAt(node.range?.[0]), "", what);
    };
    if (isAlias(node)) refuse("aliases are not read");
    else if (node.anchor !== undefined) refuse("anchors are not read");
    if (node.tag !== undefined) refuse("tags are not read");
    if (isScalar(node) && typeof node.value === "number") {
      if (!Number.isFinite(node.value)) refuse("a number must be finite");
      if (Number.isInteger(node.value) && !Number.isSafeInteger(node.value))
        refuse("an integer must be within ±(2^53 - 1)");
    }
  });
  return {
    value: document.toJS(),
    errorAt: (path, message) => new YamlError(file, lineAt(offsetOf(document, path)), path.join("."), message),
    isPlain: (path) => {
      const node: unknown = document.getIn(path, true);
      return isScalar(node) && node.type === Scalar.PLAIN;
    },
  };
}

/**
 * Reads YAML of one shape. Defaults of the schema are filled in where `validate` was compiled to do so.
 * @throws YamlError for the first thing that doesn't fit
 */
export function readYamlAs<T>(text: string, file: string, validate: ValidateFunction<T>): YamlDocument<T> {
  const document = readYaml(text, file);
  const value: unknown = document.value ?? {};
  if (validate(value)) return { ...document, value };
  const { path, problem } = describe(validate.errors ?? []);
  throw document.errorAt(path, problem);
}

function offsetOf(document: Document, path: readonly (string | number)[]): number | undefined {
  for (let length = path.length; length > 0; length--) {
    const parent: unknown = length === 1 ? document.contents : document.getIn(path.slice(0, length - 1), true);
    const name = path[length - 1];
    const key = isMap(parent) ? parent.items.find((pair) => isScalar(pair.key) && pair.key.value === name)?.key : null;
    const node: unknown = key ?? document.getIn(path.slice(0, length), true);
    if (isNode(node) && node.range) return node.range[0];
  }
  return document.contents?.range?.[0];
}

/** Of a union's complaints the deepest says most. */
function describe(errors: readonly ErrorObject[]): { path: string[]; problem: string } {
  const [error] = [...errors].sort((a, b) => depth(b) - depth(a));
  if (error === undefined) return { path: [], problem: "it is not acceptable" };
  const path = error.instancePath.split("/").slice(1).map((part) => part.replaceAll("~1", "/").replaceAll("~0", "~")); // prettier-ignore
  const params = error.params as Record<string, unknown>;
  switch (error.keyword) {
    case "additionalProperties":
      return { path: [...path, String(params["additionalProperty"])], problem: "unknown key" };
    case "propertyNames":
      return { path: [...path, String(params["propertyName"])], problem: "the key is not acceptable" };
    case "required":
      return { path: [...path, String(params["missingProperty"])], problem: "missing" };
    case "enum":
      return { path, problem: `must be one of ${(params["allowedValues"] as unknown[]).join(", ")}` };
    case "const":
      return { path, problem: `must be ${String(params["allowedValue"])}` };
    default:
      return { path, problem: error.message ?? error.keyword };
  }
}

function depth({ instancePath }: ErrorObject): number {
  return instancePath.split("/").length;
}
