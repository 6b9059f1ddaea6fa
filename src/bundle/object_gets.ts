/** Errors of `object.get` with a key that the input never has there: OPA checks references against the schema, and no keys of calls. */
import type { JsonSchema } from "../contract/schema.js";
import { nearestWord } from "../contract/nearest.js";
import type { ParsedModule } from "./conventions.js";
import { aliasOf } from "./reads.js";
import { calledBy, isText, packageKey, regoTree, type Names, type Node, type Package } from "./rego_tree.js";
import type { SourceNote } from "./source.js";
import { placeOf, schemasAt } from "./terms.js";

/** @param input schema of the policy's input */
export function unknownKeys(modules: readonly ParsedModule[], input: JsonSchema): SourceNote[] {
  const tree = regoTree(modules);
  return tree.files.flatMap(({ file, path, names, rules }) =>
    callsIn(rules).flatMap((terms) => {
      const [head, from, key] = terms;
      const base = from === undefined ? null : inputPath(from, tree.packages.get(packageKey(path)), names);
      const keys = key?.type === "array" ? (key.value as Node[]) : key === undefined ? [] : [key];
      if (base === null || !keys.every(isText)) return [];
      const fault = unknownStep(
        input,
        base,
        keys.map(({ value }) => String(value)),
      );
      const at = placeOf(head);
      return fault === null
        ? []
        : [
            {
              severity: "error" as const,
              file,
              line: at?.row ?? null,
              ...(at !== null && at !== undefined && { column: at.col }),
              ...fault,
            },
          ];
    }),
  );
}

/** Returns the terms of each call of `object.get`. */
function callsIn(node: unknown): Node[][] {
  if (typeof node !== "object" || node === null) return [];
  const inside = Object.entries(node).flatMap(([name, member]) => (name === "location" || name === "annotations" ? [] : callsIn(member)));
  return Array.isArray(node) && calledBy(node) === "object.get" ? [node as Node[], ...inside] : inside;
}

/** Returns the constant path of the input that a term names, also by an import or a rule that is another word for it; null: it names something else. */
function inputPath(term: Node, own: Package | undefined, names: Names): string[] | null {
  const [head, ...steps] = term.type === "ref" ? (term.value as Node[]) : [term];
  if (head?.type !== "var") return null;
  const name = String(head.value);
  const full = name === "input" ? [head] : (names.get(name) ?? aliasOf(own?.rules.get(name) ?? []) ?? []);
  const [root, ...rest] = [...full, ...steps];
  return root?.value === "input" && rest.every(isText) ? rest.map(({ value }) => String(value)) : null;
}

function unknownStep(input: JsonSchema, base: readonly string[], keys: readonly string[]): Pick<SourceNote, "message" | "hint"> | null {
  for (const [i, key] of keys.entries()) {
    const path = [...base, ...keys.slice(0, i)];
    const around = schemasAt([input], path).filter(({ type }) => type !== "null");
    const isClosed = around.length > 0 && around.every((one) => one["properties"] !== undefined && one["additionalProperties"] === false);
    if (!isClosed) return null;
    const known = [...new Set(around.flatMap(({ properties }) => Object.keys(properties as object)))];
    if (known.includes(key)) continue;
    const near = nearestWord(key, known);
    const hint = near === null ? `it has ${known.length === 0 ? "none" : known.join(", ")}` : `did you mean \`${near}\`?`;
    return { message: `\`${["input", ...path].join(".")}\` has no field \`${key}\`, so \`object.get\` always gives its default`, hint };
  }
  return null;
}
